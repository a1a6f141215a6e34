#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A pull-through cache asks its credential helper for the login of the token endpoint's host, and not of the registry's.
#
# Versions:  distribution 3.1.2, the registry, with `proxy.exec`
# Expected:  a helper is asked for the host of `remoteurl`, which is the name by which `docker login` put the login there.
# Seen:      so it is where the registry takes the login itself. Where it names an endpoint for tokens, the helper is asked for
#            the host of that one. If the store has no login by that name, the cache asks for a token as nobody and answers 404
#            MANIFEST_UNKNOWN; its log has "credentials not found", without the name. A login that is stored by the name of the
#            endpoint works.
# Who:       a cache of a registry whose tokens come from another host, as GitLab's from gitlab.com for registry.gitlab.com, when a
#            helper takes the place of the fixed password so that renewals reach the cache: images "do not exist" from then on.
# Source:    the registry; its documents call the command a credential helper and do not say what it is asked for.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

build_distribution
unset HTTP_PROXY http_proxy NO_PROXY no_proxy
echo edge:secret >welcome
cat >cache.yml <<'YML'
version: 0.1
log: {level: warn}
storage: {inmemory: {}}
proxy: {remoteurl: "http://registry.example.com", exec: {command: docker-credential-files}}
YML
# A store with a file for each host, with the protocol of Docker's helpers.
cat >bin/docker-credential-files <<HELPER
#!/bin/sh
read -r host
echo "\$host" >>"$PWD/hosts"
cat "$PWD/logins/\$host" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; }
HELPER
chmod +x bin/docker-credential-files
mkdir logins
echo '{"Username": "edge", "Secret": "secret"}' >logins/registry.example.com

# pull basic|REALM: what a cache of such an upstream answers, and for which host the helper was asked.
pull() {
	rm -f hosts
	serve_cache "$1"
	echo "$(pull_by_cache), $(sort -u hosts)"
}

pull basic >got
seen "takes the login itself" "200, registry.example.com" "$(cat got)"
pull http://registry.example.com/token >got
seen "tokens from the same host" "200, registry.example.com" "$(cat got)"
pull http://auth.example.com/token >got
seen "tokens from another host" "404, auth.example.com" "$(cat got)"
grep -q '"code":"MANIFEST_UNKNOWN"' answer || fail "the code of the answer: $(cat answer)"
grep -q 'credentials not found' cache.log || fail "the log of the cache: $(cat cache.log)"
mv logins/registry.example.com logins/auth.example.com
pull http://auth.example.com/token >got
seen "tokens from another host, stored by that one" "200, auth.example.com" "$(cat got)"
echo "as stated"
