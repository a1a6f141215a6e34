#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Which digest a tag has at a registry, and whether it exists, depends on the Accept of who asks.
#
# Versions:  distribution 3.1.2, the registry
# Expected:  HEAD of a tag tells the digest that the tag has, whatever is accepted; a form that is not accepted is refused
#            as such, or sent all the same, as Accept: */* of curl asks for.
# Seen:      three answers. An image of several architectures in Docker's format (a manifest list): plain curl, and the
#            widespread recipe with Accept: application/vnd.docker.distribution.manifest.v2+json, get 200 and the digest of
#            amd64 alone. A single image in OCI's format: both get 404 MANIFEST_UNKNOWN, the tag looks absent. Several
#            architectures in OCI's format (an index): both get it. */* counts for nothing.
# Who:       whoever pins a service to the digest that curl showed: arm nodes then pull an image that does not run there.
#            And checks in a pipeline, "is this version pushed already", that answer no for an OCI image which is there.
# Source:    the registry itself; the specification lets Accept choose and leaves open what happens otherwise.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"
address=

build_distribution
cat >registry.yml <<'YML'
version: 0.1
log: {level: warn}
storage: {inmemory: {}}
YML
serve registry

python3 - "$address" >digests <<'PYTHON'
import sys

from images import DOCKER, DOCKER_CONFIG, OCI, OCI_CONFIG, Repository

repository = Repository(sys.argv[1])


def push(tag, image, index, config):
    parts = []
    for architecture in ("arm64", "amd64"):
        part = repository.image(image, config, architecture, f"{tag}-{architecture}")
        parts.append(part | {"platform": {"architecture": architecture, "os": "linux"}})
    whole = repository.manifest({"schemaVersion": 2, "mediaType": index, "manifests": parts}, tag)
    print(whole["digest"], parts[1]["digest"])


push("docker", DOCKER + ".v2+json", DOCKER + ".list.v2+json", DOCKER_CONFIG)
push("oci", OCI + ".manifest.v1+json", OCI + ".index.v1+json", OCI_CONFIG)
PYTHON
read -r docker docker_amd64 < <(sed -n 1p digests)
read -r oci oci_amd64 < <(sed -n 2p digests)

# answer TAG ACCEPT: the status and the digest of a HEAD.
answer() {
	curl -sS --head -H "Accept: $2" "http://$address/v2/plant/sensor/manifests/$1" | tr -d '\r' |
		awk '/^HTTP/ {status = $2} tolower($1) == "docker-content-digest:" {digest = $2} END {print status (digest ? " " digest : "")}'
}

recipe=application/vnd.docker.distribution.manifest.v2+json
all=$recipe,application/vnd.docker.distribution.manifest.list.v2+json
all=$all,application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json
seen "manifest list, all forms accepted" "200 $docker" "$(answer docker $all)"
seen "manifest list, the recipe" "200 $docker_amd64" "$(answer docker $recipe)"
seen "OCI index, all forms accepted" "200 $oci" "$(answer oci $all)"
seen "OCI index, the recipe" "200 $oci" "$(answer oci $recipe)"
seen "OCI index, */*" "200 $oci" "$(answer oci '*/*')"
seen "OCI image, all forms accepted" "200 $oci_amd64" "$(answer oci-amd64 $all)"
seen "OCI image, the recipe" 404 "$(answer oci-amd64 $recipe)"
seen "OCI image, */*" 404 "$(answer oci-amd64 '*/*')"
curl -sS "http://$address/v2/plant/sensor/manifests/oci-amd64" && echo
echo "as stated"
