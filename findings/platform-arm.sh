#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The platform linux/arm is the first ARM image of an index for crane and oras, and v7 for regctl and skopeo.
#
# Versions:  crane 0.22.1, oras 1.3.6, regctl 0.11.7, skopeo 1.9.3
# Expected:  one platform of one index is one image. A board of v7 can be given what there is for v6.
# Seen:      of v5, v6 and v7 in this order, which is that of many base images, crane and oras take v5 for linux/arm, skopeo and
#            regctl v7. Of an index with v6 alone crane and oras have nothing for linux/arm/v7, where regctl takes v6.
#            linux/arm64/v8 is linux/arm64 to regctl, and nothing to crane and oras if the index has no variant.
# Who:       pipelines that pin, copy or scan what ARM boards run, by the architecture of Open Horizon, which is `arm` or `arm64`
#            without a variant: the digest is that of an image for ARMv5, and the nodes that pull the tag run another.
# Source:    the programs; the specification says that variant is optional, and nothing of what is then meant.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"
address=

debian skopeo skopeo 1.9.3
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
build_distribution
cat >registry.yml <<'YML'
version: 0.1
log: {level: warn}
storage: {inmemory: {}}
YML
serve registry
regctl registry set "$address" --tls disabled 2>/dev/null

# A line for each image: its variant, and its digest.
python3 - "$address" >images <<'PYTHON'
import sys

from images import OCI, OCI_CONFIG, Repository

repository = Repository(sys.argv[1])


def index(tag, architecture, *variants):
    parts = []
    for variant in variants:
        part = repository.image(OCI + ".manifest.v1+json", OCI_CONFIG, architecture, comment=variant)
        print(variant, part["digest"])
        platform = {"architecture": architecture, "os": "linux"} | ({"variant": variant} if variant != "-" else {})
        parts.append(part | {"platform": platform})
    repository.manifest({"schemaVersion": 2, "mediaType": OCI + ".index.v1+json", "manifests": parts}, tag)


index("arm", "arm", "v5", "v6", "v7")
index("v6", "arm", "v6")
index("arm64", "arm64", "-")
PYTHON

# taken COMMAND...: the variant of the image whose digest the command prints, or nothing.
taken() {
	local digest
	digest=$("$@" 2>refused | tail -n 1) || true
	awk -v digest="${digest:-none}" '$2 == digest {variant = $1} END {print variant ? variant : "nothing"}' images
}
# all TAG PLATFORM: what the three take.
all() {
	local image=$address/plant/sensor:$1
	echo "crane $(taken crane digest --platform "$2" "$image"), oras $(taken oras resolve --plain-http --platform "$2" "$image")," \
		"regctl $(taken regctl image digest --platform "$2" "$image")"
}
skopeo_takes() {
	skopeo --override-arch "$2" inspect --tls-verify=false --raw --config "docker://$address/plant/sensor:$1" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["comment"])'
}

seen "linux/arm of v5, v6, v7" "crane v5, oras v5, regctl v7" "$(all arm linux/arm)"
seen "the same, skopeo" v7 "$(skopeo_takes arm arm)"
seen "linux/arm/v7 of v5, v6, v7" "crane v7, oras v7, regctl v7" "$(all arm linux/arm/v7)"
seen "linux/arm/v7 of v6" "crane nothing, oras nothing, regctl v6" "$(all v6 linux/arm/v7)"
seen "linux/arm64/v8 of one without a variant" "crane nothing, oras nothing, regctl -" "$(all arm64 linux/arm64/v8)"
echo "as stated"
