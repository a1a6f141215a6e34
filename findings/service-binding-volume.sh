#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# getBinding() without arguments, which is how to read a binding of a type that the library has no name for, cannot read
# the volume of a Secret.
#
# Versions:  kube-service-bindings 2.1.0 (npm)
# Expected:  it returns the keys of each binding. A binding is the volume of a Secret: files that are links into a hidden
#            folder, `..data`.
# Seen:      it takes `..data` for a key and throws EISDIR. In a folder of plain files, as in a test, it works; so does
#            getBinding with a type, which leaves hidden names out.
# Who:       applications of Node.js that want the login of a registry, a type of its own, from the volume that
#            Kubernetes mounts.
# Source:    the library itself; the layout of volumes is Kubernetes' (pkg/volume/util, AtomicWriter).
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

npm install --no-audit --no-fund --silent kube-service-bindings@2.1.0
mkdir -p plain/registry volume/registry/..2026_01_02_03_04_05.6
for folder in plain/registry volume/registry/..2026_01_02_03_04_05.6; do
	printf container-registry >$folder/type
	printf registry.example.com >$folder/host
done
ln -s ..2026_01_02_03_04_05.6 volume/registry/..data
ln -s ..data/type volume/registry/type
ln -s ..data/host volume/registry/host
cat >ask.js <<'JS'
const { getBinding } = require('kube-service-bindings');
try {
  console.log(getBinding().map((binding) => `${binding.type} ${binding.host}`).join());
} catch (error) {
  console.log(error.code);
}
JS
seen "plain files" "container-registry registry.example.com" "$(SERVICE_BINDING_ROOT=$PWD/plain node ask.js)"
seen "a volume" EISDIR "$(SERVICE_BINDING_ROOT=$PWD/volume node ask.js)"
echo "as stated"
