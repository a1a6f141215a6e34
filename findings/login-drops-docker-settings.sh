#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A login by skopeo or podman into Docker's own config.json takes Docker's settings out of it, and logins with them.
#
# Versions:  skopeo 1.9.3 and podman 4.3.1 (Debian 12)
# Expected:  the file gets one login more and keeps the rest, as with `docker login`: its format is Docker's.
# Seen:      written again with what these programs know. `credsStore`, `proxies`, `HttpHeaders` and `detachKeys` are gone.
#            Of an entry that has `username` and `password` without `auth`, which Docker and the kubelet accept, {} is
#            left: that login is lost. Exit status 0, and no word of it.
# Who:       whoever lets both tools share ~/.docker/config.json, which the Open Horizon agent reads too: builds behind a
#            proxy stop working, and Docker no longer finds the logins that its store holds.
# Source:    these programs; containers-auth.json(5) names auths and credHelpers and does not say that the rest goes.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3
debian podman podman 4.3.1
stand_in basic
host=127.0.0.1:$(cat port)

for program in skopeo podman; do
	cat >config.json <<-JSON
		{
		  "auths": {
		    "one.example.com": {"auth": "$(encoded user:one)"},
		    "two.example.com": {"username": "user", "password": "two"}
		  },
		  "credHelpers": {"three.example.com": "three"},
		  "credsStore": "pass",
		  "detachKeys": "ctrl-e",
		  "HttpHeaders": {"X-Site": "plant"},
		  "proxies": {"default": {"httpsProxy": "http://proxy.example.com:3128"}}
		}
	JSON
	echo "--- $program login --authfile config.json"
	echo three | "$program" login --tls-verify=false --authfile config.json --username user --password-stdin "$host"
	cat config.json && echo
	python3 - "$host" >left <<-'PYTHON'
		import json, sys
		left = json.load(open("config.json"))
		print(" ".join(sorted(left)))
		print(" ".join(f"{host}={'login' if entry else 'nothing'}" for host, entry in sorted(left["auths"].items()) if host != sys.argv[1]))
	PYTHON
	seen "$program: keys left" "auths credHelpers" "$(sed -n 1p left)"
	seen "$program: entries left" "one.example.com=login two.example.com=nothing" "$(sed -n 2p left)"
done
echo "as stated"
