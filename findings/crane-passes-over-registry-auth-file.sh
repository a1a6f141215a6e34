#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# crane honours REGISTRY_AUTH_FILE only where there is no ~/.docker/config.json, whatever that file holds.
#
# Versions:  crane of go-containerregistry 0.22.1; skopeo 1.9.3 (Debian 12) to compare with
# Expected:  a variable that names the file with the logins, which crane reads, counts before a file in the home. With
#            DOCKER_CONFIG set to another folder, the file in the home does not count at all.
# Seen:      any file ~/.docker/config.json, `{}` too, makes crane pass over REGISTRY_AUTH_FILE, in silence; and it does so
#            even if DOCKER_CONFIG names a folder without one, so that no file at all is read. skopeo takes the variable's.
# Who:       pipelines that set REGISTRY_AUTH_FILE once for podman, skopeo and crane: crane goes on without a login on
#            the one runner where somebody once used Docker.
# Source:    crane itself; its documents name the variable and not this.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

host=registry.example.com:5000
printf '{"auths": {"%s": {"auth": "%s"}}}' $host "$(encoded edge:secret)" >auth.json
export REGISTRY_AUTH_FILE="$PWD/auth.json"

skopeo_user() { skopeo login --get-login $host 2>&1 | sed 's/.*not logged into.*/none/'; }

seen "crane, nothing of Docker's" edge "$(crane_user $host)"
mkdir "$HOME/.docker" empty
echo '{}' >"$HOME/.docker/config.json"
seen "crane, {} in ~/.docker/config.json" none "$(crane_user $host)"
seen "skopeo, {} in ~/.docker/config.json" edge "$(skopeo_user)"
export DOCKER_CONFIG="$PWD/empty"
seen "crane, the same, and DOCKER_CONFIG an empty folder" none "$(crane_user $host)"
rm "$HOME/.docker/config.json"
seen "crane, DOCKER_CONFIG an empty folder" edge "$(crane_user $host)"
echo "as stated"
