#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A file ibm-credentials.env in the working folder or in the home makes IBM's SDK pass over every variable of that service
# in the environment, the API key too.
#
# Versions:  ibm-cloud-sdk-core 5.9.1 (npm), the base of @ibm-cloud/platform-services and ibm-container-registry
# Expected:  a variable of the environment overrides the file, or at least what the file lacks is taken from there.
# Seen:      one source alone counts, the file before the environment. With an older key in the file, the one of the
#            environment is not used. With nothing but a URL in the file, the key of the environment is not found, and the
#            error speaks of trusted profiles.
# Who:       pipelines that get a rotated key of IBM Cloud Container Registry as IAM_IDENTITY_APIKEY: the revoked one of a
#            file in the checkout goes on being used, and IAM refuses it.
# Source:    the package itself; its comments name the order.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

npm install --no-audit --no-fund --silent ibm-cloud-sdk-core@5.9.1
cat >ask.js <<'JS'
const { getAuthenticatorFromEnvironment } = require('ibm-cloud-sdk-core');
try {
  console.log(getAuthenticatorFromEnvironment('iam_identity').apikey);
} catch (error) {
  console.log(error.message);
}
JS
export IAM_IDENTITY_APIKEY=new-key
seen "no file" new-key "$(node ask.js)"
echo IAM_IDENTITY_APIKEY=old-key >ibm-credentials.env
seen "an older key in the file" old-key "$(node ask.js)"
# shellcheck disable=SC2016 # the SDK quotes names so
without='At least one of `iamProfileName` or `iamProfileId` must be specified.'
echo IAM_IDENTITY_URL=https://iam.example.com >ibm-credentials.env
seen "nothing but a URL in the file" "$without" "$(node ask.js)"
mv ibm-credentials.env "$HOME/"
seen "the same file in the home" "$without" "$(node ask.js)"
echo OTHER_SERVICE_URL=https://other.example.com >"$HOME/ibm-credentials.env"
seen "another service in the file" new-key "$(node ask.js)"
echo "as stated"
