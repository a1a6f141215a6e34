#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A pull-through cache whose login at the upstream registry is no longer good does not say so.
#
# Versions:  distribution 3.1.2, the registry, as upstream with htpasswd and as cache
# Expected:  401 or 403, or an answer that names the upstream, and not what a registry says that works.
# Seen:      a tag that was pulled before: 200 and the digest that it had then, though the upstream moved the tag on. A tag
#            that was not: 404 MANIFEST_UNKNOWN, as for a tag that nobody pushed. The list of tags: 200, those in the cache.
#            Nothing that a client is told speaks of the refusal.
# Who:       a site whose nodes pull through a cache when the token that the cache was given has expired: the nodes stay on
#            the old image, and a new version "does not exist" while it is there.
# Source:    the registry itself; its documents tell that content is served while the upstream is not reachable.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"
address=

build_distribution
# The passwords are old-secret and new-secret.
# shellcheck disable=SC2016 # hashes have dollars
old='edge:$2a$04$H7V9bFIKDgRcAABqJ7PPi.b.96TWmShTwr0ET29Pg3vNqvqsyTHLi' new='edge:$2a$04$GVwaDngZOvLlf/59AzjXkOZ5BtC9XKbt3r.b/euN9zsqIMv8WpS9m'
echo "$old" >htpasswd
cat >upstream.yml <<YML
version: 0.1
log: {level: error}
storage: {inmemory: {}}
auth: {htpasswd: {realm: stand-in, path: $PWD/htpasswd}}
YML
serve upstream
upstream=$address
cat >cache.yml <<YML
version: 0.1
log: {level: warn}
storage: {inmemory: {}}
proxy: {remoteurl: "http://$upstream", username: edge, password: old-secret, ttl: 0}
YML
serve cache
cache=$address

# push TAG COMMENT PASSWORD pushes an image to the upstream and prints its digest.
push() {
	python3 - "$upstream" "$@" <<-'PYTHON'
		import sys
		from images import OCI, OCI_CONFIG, Repository
		address, tag, comment, password = sys.argv[1:]
		repository = Repository(address, "edge:" + password)
		print(repository.image(OCI + ".manifest.v1+json", OCI_CONFIG, "arm64", tag, comment)["digest"])
	PYTHON
}

# answer ADDRESS TAG [CURL...]: the status and the digest of a HEAD.
answer() {
	curl -sS --head -H "Accept: application/vnd.oci.image.manifest.v1+json" "http://$1/v2/plant/sensor/manifests/$2" "${@:3}" |
		tr -d '\r' | awk '/^HTTP/ {status = $2} tolower($1) == "docker-content-digest:" {digest = $2} END {print status (digest ? " " digest : "")}'
}

first=$(push stable first old-secret)
seen "good login: stable, by the cache" "200 $first" "$(answer "$cache" stable)"
second=$(push stable second old-secret)
seen "good login: stable, after a second push" "200 $second" "$(answer "$cache" stable)"

echo "$new" >htpasswd
seen "the cache's password at the upstream" 401 "$(answer "$upstream" stable --user edge:old-secret)"
third=$(push stable third new-secret)
push 2.0.0 third new-secret >/dev/null
seen "upstream: stable" "200 $third" "$(answer "$upstream" stable --user edge:new-secret)"
seen "upstream: 2.0.0" "200 $third" "$(answer "$upstream" 2.0.0 --user edge:new-secret)"
seen "dead login: stable, by the cache" "200 $second" "$(answer "$cache" stable)"
seen "dead login: 2.0.0, by the cache" 404 "$(answer "$cache" 2.0.0)"
curl -sS "http://$cache/v2/plant/sensor/manifests/2.0.0" >answer
cat answer
grep -q '"code":"MANIFEST_UNKNOWN"' answer || fail "the code of the answer"
seen "dead login: tags, by the cache" '{"name":"plant/sensor","tags":["stable"]}' "$(curl -sS "http://$cache/v2/plant/sensor/tags/list")"
echo "as stated"
