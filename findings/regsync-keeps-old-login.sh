#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# `regsync server` reads Docker's config.json when it starts and never again, and asks a credential helper once an hour, even
# when the registry refuses the login that it holds.
#
# Versions:  regsync of regclient 0.11.7
# Expected:  each copy that is due takes the login that is in the file by then, as `regsync once` started by cron does; or a 401
#            makes it look again.
# Seen:      it goes on with the login of its start: each copy fails with "unauthorized" while the file has one that works, until
#            it is restarted. So it does with `pass: {{file "..."}}` in its configuration. With `credHelpers` in config.json it
#            asks the helper again after an hour, and a 401 does not hasten that. With `credHelper` and `credExpire` in its
#            configuration it asks as often as that says, in nanoseconds: `1s` is refused.
# Who:       a mirror that regsync keeps, as a Deployment with the pull Secret mounted as config.json: the kubelet brings each
#            renewed login into the file, and nothing is mirrored any more from the day on which the first one ends.
# Source:    regsync; its quick start mounts the password as a file, and does not say when that or config.json is read.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

go install github.com/regclient/regclient/cmd/regsync@v0.11.7
printf 'edge:old\nedge:new\n' >welcome
upstream basic
host=localhost:$(cat port)
cat >bin/docker-credential-file <<HELPER
#!/bin/sh
cat >/dev/null
echo "{\"Username\": \"edge\", \"Secret\": \"\$(cat "$PWD/password")\"}"
HELPER
chmod +x bin/docker-credential-file

# configure [LINE]... writes the configuration, with these lines for the registry.
configure() {
	{
		printf 'version: 1\ncreds:\n- registry: %s\n  tls: disabled\n' "$host"
		if [ $# -gt 0 ]; then printf '  %s\n' "$@"; fi
		printf 'defaults: {interval: 1s}\nsync:\n'
		printf -- '- {source: "%s/plant/sensor:1.0.0", target: "ocidir://%s/copy:1.0.0", type: image}\n' "$host" "$PWD"
	} >regsync.yml
}
more_than() { [ "$(wc -l <requests)" -gt "$1" ]; }
# passwords prints with which ones the next requests come.
passwords() {
	local before
	before=$(wc -l <requests)
	wait_for more_than $((before + 3))
	passwords_after "$before"
}
passwords_after() { tail -n +$(($1 + 1)) requests | awk '$3 == "Basic" {print $4}' | sort -u | base64 -d | sed 's/^edge://'; }
# login PASSWORD brings it where logins are: into a file, and into config.json if that is to hold it.
login() {
	echo "$1" >password
	if [ "$holds" = auths ]; then
		echo "{\"auths\": {\"$host\": {\"auth\": \"$(encoded "edge:$1")\"}}}" >home/.docker/config.json
	fi
}
# renew: the password that regsync uses after it was renewed and the old one ended.
renew() {
	local server
	printf 'edge:old\nedge:new\n' >welcome
	login old
	regsync -c regsync.yml server >regsync.log 2>&1 &
	server=$!
	started+=("$server")
	passwords >/dev/null
	login new
	echo edge:new >welcome
	passwords >/dev/null
	passwords
	kill "$server"
	wait "$server" 2>/dev/null || true
}

mkdir home/.docker
holds=auths
configure
renew >got
seen "a login in config.json" old "$(cat got)"
grep -q 'unauthorized' regsync.log || fail "the log of regsync: $(cat regsync.log)"
before=$(wc -l <requests)
regsync -c regsync.yml once >/dev/null 2>&1
seen "the same, by regsync once" new "$(passwords_after "$before")"
holds=nothing
echo '{}' >home/.docker/config.json
configure 'user: edge' "pass: '{{file \"$PWD/password\"}}'"
renew >got
seen "a file that the configuration names" old "$(cat got)"
echo "{\"credHelpers\": {\"$host\": \"file\"}}" >home/.docker/config.json
configure
renew >got
seen "a helper that config.json names" old "$(cat got)"
echo '{}' >home/.docker/config.json
configure 'credHelper: docker-credential-file' 'credExpire: 1s'
if regsync -c regsync.yml check >said 2>&1; then fail "credExpire: 1s is taken"; fi
seen "a helper with credExpire: 1s" "cannot unmarshal string" "$(grep -o 'cannot unmarshal string' said)"
configure 'credHelper: docker-credential-file' 'credExpire: 1000000000'
renew >got
seen "a helper with credExpire: 1000000000" new "$(cat got)"
echo "as stated"
