#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The user name `<token>`, which OpenShift writes in the logins of its service accounts, is a login in a file and a
# refresh token in a credential helper.
#
# Versions:  crane of go-containerregistry 0.22.1, oras 1.3.6, regctl 0.11.7
# Expected:  a helper is another place for the same user and password: what works from a file works from there.
# Seen:      from a file each sends `<token>` and the password as Basic to the token endpoint, by GET. From a helper the
#            password goes as `refresh_token` in a POST, and no Basic is sent. The endpoint of OpenShift's registry looks
#            at Basic alone.
# Who:       whoever puts the content of a dockercfg Secret of OpenShift into the store of Docker or of a laptop's keychain:
#            the login that worked from the file is refused.
# Source:    these programs; the helpers' protocol means an identity token by that name. What OpenShift's endpoint looks at
#            was read in openshift/image-registry, pkg/dockerregistry/server/token.go, and not run here.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6

stand_in bearer
host=localhost:$(cat port)
cat >bin/docker-credential-stand-in <<'SH'
#!/bin/sh
read -r host
printf '{"ServerURL": "%s", "Username": "<token>", "Secret": "secret"}' "$host"
SH
chmod +x bin/docker-credential-stand-in
mkdir config
export DOCKER_CONFIG="$PWD/config"

# ask PROGRAM has it ask for the tags, which the stand-in does not have, and prints how it asked for a token.
ask() {
	: >requests
	case $1 in
	crane) crane ls --insecure "$host/plant/sensor" ;;
	oras) oras repo tags --plain-http "$host/plant/sensor" ;;
	regctl) regctl --host "reg=$host,tls=disabled" tag ls "$host/plant/sensor" ;;
	esac >answer 2>&1 || true
	grep '/token' requests >tokens || fail "$1 asked for no token: $(cat answer)"
	cat tokens >&2
	if grep -q '^POST .* - .*refresh_token=secret' tokens; then
		echo "refresh token by POST"
	elif grep -q "^GET .* Basic $(encoded '<token>:secret') " tokens; then
		echo "Basic by GET"
	else
		echo "something else"
	fi
}

for program in crane oras regctl; do
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$host" "$(encoded '<token>:secret')" >config/config.json
	seen "$program, from a file" "Basic by GET" "$(ask $program)"
	printf '{"credHelpers": {"%s": "stand-in"}}' "$host" >config/config.json
	seen "$program, from a helper" "refresh token by POST" "$(ask $program)"
done
echo "as stated"
