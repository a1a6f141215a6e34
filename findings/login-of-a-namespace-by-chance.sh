#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Of logins for single namespaces of a host, as `skopeo login HOST/NAMESPACE` writes them, crane and oras take one by chance.
#
# Versions:  skopeo 1.9.3 (podman and buildah share its library); crane of go-containerregistry 0.22.1, oras 1.3.6,
#            regctl 0.11.7
# Expected:  a program that reads the file takes the login of the image's namespace, or, if it knows hosts alone, none.
# Seen:      skopeo finds the one of the namespace. regctl takes none. crane and oras take the login of any namespace of
#            that host, another one from run to run. They look for HOST/NAMESPACE/REPOSITORY or HOST, and then take the
#            first entry whose host that is, in the order of a map of Go, which is random.
# Who:       pipelines with a robot or a token for each project: crane finds podman's auth.json by itself, and the same push
#            is refused in some runs and not in others. A further entry for HOST ends the chance, and counts for all of them.
# Source:    these programs; containers-auth.json(5) describes such keys. That crane does not pick by the namespace is known,
#            https://github.com/google/go-containerregistry/issues/1329; that it goes by chance is not said there.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6

stand_in basic
host=localhost:$(cat port)
mkdir config
export DOCKER_CONFIG="$PWD/config"
# Eight, so that twelve runs do not meet the same one by chance.
for team in a b c d e f g h; do
	skopeo login --authfile config/config.json --tls-verify=false -u "user-$team" -p secret "$host/team-$team" >/dev/null
done

# ask PROGRAM asks twelve times for the tags of a repository of team-b, which the stand-in does not have, and tells the
# users whom it was asked by.
ask() {
	local run
	: >requests
	for run in $(seq 12); do
		case $1 in
		skopeo) skopeo list-tags --authfile config/config.json --tls-verify=false "docker://$host/team-b/sensor" ;;
		crane) crane ls --insecure "$host/team-b/sensor" ;;
		oras) oras repo tags --plain-http "$host/team-b/sensor" ;;
		regctl) regctl --host "reg=$host,tls=disabled" tag ls "$host/team-b/sensor" ;;
		esac >"answer-$run" 2>&1 || true
	done
	grep -q team-b/sensor requests || fail "$1 asked for no tags: $(cat answer-1)"
	sed -n 's/.* Basic \([^ ]*\) .*/\1/p' requests | while read -r login; do
		base64 -d <<<"$login" | cut -d : -f 1
	done | sort >users
	uniq -c users >&2
	case $(uniq users | wc -l) in
	0) echo none ;;
	1) uniq users ;;
	*) echo "several, by chance" ;;
	esac
}

seen "skopeo, a repository of team-b" user-b "$(ask skopeo)"
seen "regctl" none "$(ask regctl)"
seen "crane" "several, by chance" "$(ask crane)"
seen "oras" "several, by chance" "$(ask oras)"

skopeo login --authfile config/config.json --tls-verify=false -u user-of-host -p secret "$host" >/dev/null
seen "skopeo, with an entry for the host too" user-b "$(ask skopeo)"
for program in regctl crane oras; do
	seen "$program, with an entry for the host too" user-of-host "$(ask $program)"
done
echo "as stated"
