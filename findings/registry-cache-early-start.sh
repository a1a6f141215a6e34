#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A pull-through cache that starts while its upstream is not ready never uses its login there, though it finds the upstream again.
#
# Versions:  distribution 3.1.2, the registry, as cache of an upstream that gives tokens, and of one that takes the login itself
# Expected:  the cache has its login from the configuration and learns by a 401 where to bring it, so when the upstream is back
#            all is as ever; or it does not start, as where nobody listens.
# Seen:      it keeps the login for the token endpoints that /v2/ named when it started. If /v2/ was answered by a 503 then, that
#            is none. Later it asks the right endpoint for a token, without the login, and passes on 404 MANIFEST_UNKNOWN, until
#            it is restarted. With an upstream that takes the login itself it works.
# Who:       a site whose cache starts with the rest, after a power cut or an upgrade, while a router or proxy answers for the
#            registry: the images "do not exist". A new login is no help, and nor is that the upstream is well.
# Source:    the registry; its documents do not tell when it looks for the endpoint.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

build_distribution
unset HTTP_PROXY http_proxy NO_PROXY no_proxy
cat >cache.yml <<'YML'
version: 0.1
log: {level: warn}
storage: {inmemory: {}}
proxy: {remoteurl: "http://registry.example.com", username: edge, password: secret}
YML

# pull basic|REALM 200|503: the answers to two pulls by a cache that started when its upstream answered so, and is well since.
pull() {
	rm -f welcome
	if [ "$2" = 200 ]; then echo edge:secret >welcome; fi
	serve_cache "$1"
	echo edge:secret >welcome
	echo "$(pull_by_cache), then $(pull_by_cache)"
}

# asked: how the cache asked for tokens.
asked() { awk '$2 ~ /[?]account=|[?]scope=/ {print ($3 == "-" ? "without the login" : "with the login")}' requests | sort -u; }

pull basic 200 >answers
seen "takes the login itself, ready at the start" "200, then 200" "$(cat answers)"
pull basic 503 >answers
seen "takes the login itself, 503 at the start" "200, then 200" "$(cat answers)"
pull http://registry.example.com/token 200 >answers
seen "gives tokens, ready at the start" "200, then 200" "$(cat answers)"
seen "how the cache asked for a token" "with the login" "$(asked)"
pull http://registry.example.com/token 503 >answers
seen "gives tokens, 503 at the start" "404, then 404" "$(cat answers)"
seen "how the cache asked for a token" "without the login" "$(asked)"
grep -q '"code":"MANIFEST_UNKNOWN"' answer || fail "the code of the answer: $(cat answer)"
echo "as stated"
