#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A binding of another type, such as that of a registry, hides a Kafka binding if its folder sorts first.
#
# Versions:  kube-service-bindings 2.1.0 (npm)
# Expected:  getBinding('KAFKA', ...) looks through the folders below SERVICE_BINDING_ROOT for one of the type kafka.
# Seen:      it finds it only if no folder of another type sorts before it: otherwise "No Binding Found". Whether that is
#            so follows from the names that somebody gave to the volumes.
# Who:       applications of Node.js that get a registry's login by a second binding: it breaks the first.
# Source:    the library itself. The specification allows any number of bindings below the root.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

npm install --no-audit --no-fund --silent kube-service-bindings@2.1.0
mkdir -p bindings/messages bindings/registry
printf kafka >bindings/messages/type
printf broker.example.com:9092 >bindings/messages/bootstrap-servers
printf container-registry >bindings/registry/type
printf registry.example.com >bindings/registry/host
cat >ask.js <<'JS'
const { getBinding } = require('kube-service-bindings');
try {
  console.log(getBinding('KAFKA', 'kafkajs')['bootstrap-servers']);
} catch (error) {
  console.log(error.message);
}
JS
export SERVICE_BINDING_ROOT="$PWD/bindings"
seen "messages and registry" broker.example.com:9092 "$(node ask.js)"
mv bindings/registry bindings/edge-registry
seen "edge-registry and messages" "No Binding Found" "$(node ask.js)"
rm -r bindings/edge-registry
seen "messages alone" broker.example.com:9092 "$(node ask.js)"
echo "as stated"
