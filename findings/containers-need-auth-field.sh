#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A login of `username` and `password` without `auth` is none for skopeo, podman and buildah.
#
# Versions:  skopeo 1.9.3, podman 4.3.1, buildah 1.28.2 (Debian 12); go.podman.io/image/v5 5.42.1 (2026); crane of
#            go-containerregistry 0.22.1
# Expected:  Kubernetes documents these fields of .dockerconfigjson, and many templates write them alone. The kubelet and
#            Docker take them, so whoever reads the file does.
# Seen:      crane finds the login. The three and their library, the newest too, say that there is none, as for a host
#            that the file does not name: nothing tells that an entry was passed over.
# Who:       whoever mounts an image pull Secret, which pods pull with, into a pipeline or takes it to a node with Podman.
# Source:    containers-auth.json(5) shows `auth` alone and calls the format Docker's.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3
debian podman podman 4.3.1
debian buildah buildah 1.28.2
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mkdir library
cat >library/go.mod <<'MOD'
module library

go 1.26.0

require go.podman.io/image/v5 v5.42.1
MOD
cat >library/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
)

func main() {
	found, err := config.GetCredentials(&types.SystemContext{AuthFilePath: os.Args[1]}, "registry.example.com:5000")
	fmt.Printf("user %q, error %v\n", found.Username, err)
}
GO
(cd library && go build -o "$GOBIN/library" .)

host=registry.example.com:5000
mkdir both alone
printf '{"auths": {"%s": {"auth": "%s", "username": "edge", "password": "secret"}}}' $host "$(encoded edge:secret)" >both/config.json
printf '{"auths": {"%s": {"username": "edge", "password": "secret"}}}' $host >alone/config.json

# user ASKED FOLDER: the user that is found, or none.
user() {
	case $1 in
	crane) DOCKER_CONFIG=$2 crane_user $host ;;
	library) library "$2/config.json" | sed -e 's/^user "\([^"]*\)", error <nil>$/\1/' -e 's/^$/none/' ;;
	*) "$1" login --authfile "$2/config.json" --get-login $host 2>&1 | sed 's/.*not logged into.*/none/' ;;
	esac
}

for asked in crane skopeo podman buildah library; do
	stated=none
	[ $asked != crane ] || stated=edge
	seen "$asked, with auth" edge "$(user $asked both)"
	seen "$asked, without" $stated "$(user $asked alone)"
done
echo "as stated"
