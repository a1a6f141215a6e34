#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# skopeo, podman and buildah read Docker's config.json and leave its `credsStore` out, so that they miss the very logins
# that `docker login` stored there.
#
# Versions:  skopeo 1.9.3, podman 4.3.1, buildah 1.28.2 (Debian 12); crane of go-containerregistry 0.22.1
# Expected:  ~/.docker/config.json is on their list of files, and helpers that `credHelpers` names are called. So the
#            helper that `credsStore` names for all hosts is called too.
# Seen:      `credHelpers` is followed, `credsStore` is not: no login, and the helper is not even started. crane follows
#            both.
# Who:       whoever logs in with Docker where a store is set (Docker Desktop and docker-credential-pass do that) and then
#            pushes with skopeo or builds with Podman: it goes on without a login.
# Source:    these programs; containers-auth.json(5) names credHelpers and no credsStore.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3
debian podman podman 4.3.1
debian buildah buildah 1.28.2
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

cat >bin/docker-credential-stand-in <<'SH'
#!/bin/sh
read -r host
echo "$1 $host" >>"$HOME/asked"
printf '{"ServerURL": "%s", "Username": "edge", "Secret": "secret"}' "$host"
SH
chmod +x bin/docker-credential-stand-in
host=registry.example.com:5000
mkdir "$HOME/.docker"

user() {
	case $1 in
	crane) crane_user $host ;;
	*) "$1" login --get-login $host 2>&1 | sed 's/.*not logged into.*/none/' ;;
	esac
}

for asked in crane skopeo podman buildah; do
	printf '{"auths": {"%s": {}}, "credHelpers": {"%s": "stand-in"}}' $host $host >"$HOME/.docker/config.json"
	seen "$asked, credHelpers" edge "$(user $asked)"
	: >"$HOME/asked"
	printf '{"auths": {"%s": {}}, "credsStore": "stand-in"}' $host >"$HOME/.docker/config.json"
	stated=none calls=0
	[ $asked != crane ] || stated=edge calls=1
	seen "$asked, credsStore" $stated "$(user $asked)"
	seen "$asked, times that the helper was asked" $calls "$(grep -c '^get ' "$HOME/asked" || true)"
done
echo "as stated"
