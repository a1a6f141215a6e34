#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# IBM's SDK with enableRetries() creates an API key twice after a lost answer, and does not ask a second time for the token
# without which no call works.
#
# Versions:  @ibm-cloud/platform-services 0.83.1 with ibm-cloud-sdk-core 5.9.1 (npm)
# Expected:  what may be repeated is: a failed request for a token of IAM is retried, as each call needs one first; a
#            call that creates something is not, as nobody knows whether it did.
# Seen:      the other way round. POST is among the methods that are retried after 429 and 5xx but 501, and createApiKey()
#            has nothing to tell a repetition by: two keys are made, and the caller gets the second. The authenticator has
#            a client of its own without retries: one 503 of the token endpoint fails the call.
# Who:       programs that make a key for a service ID, so that it may push to IBM Cloud Container Registry: behind a gateway
#            that timed out a key stays that nobody holds, and that no rotation takes away. Under the load for which one
#            enables retries, calls fail all the same.
# Source:    the packages; they name neither. retry-axios, below them, by itself leaves POST out.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

npm install --no-audit --no-fund --silent ibm-cloud-sdk-core@5.9.1 @ibm-cloud/platform-services@0.83.1
cat >iam.py <<'PYTHON'
# IAM in small: it gives tokens and makes keys, and `iam.py token|create STATUS` does it and loses the first answer of that.
import base64, json, sys, time

import answering

lost, status = sys.argv[1], int(sys.argv[2])
made = {"token": 0, "create": 0}
part = lambda what: base64.urlsafe_b64encode(json.dumps(what).encode()).decode().rstrip("=")
now = int(time.time())
token = ".".join([part({"alg": "none"}), part({"iat": now, "exp": now + 3600}), "signature"])

class Handler(answering.Handler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = "token" if self.path == "/identity/token" else "create"
        print(what, flush=True)
        made[what] += 1
        given = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "expiration": now + 3600}
        key = {"id": f"ApiKey-{made[what]}"}
        answer = json.dumps(given if what == "token" else key).encode()
        self.answer(status if what == lost and made[what] == 1 else 200, {"Content-Type": "application/json"}, answer)

answering.serve(Handler)
PYTHON
cat >ask.js <<'JS'
const { IamAuthenticator } = require('@ibm-cloud/platform-services/auth');
const IamIdentity = require('@ibm-cloud/platform-services/iam-identity/v1');
const url = 'http://127.0.0.1:' + require('fs').readFileSync('port', 'utf8');
const service = new IamIdentity({ authenticator: new IamAuthenticator({ apikey: 'key', url }), serviceUrl: url });
if (process.argv[2] === 'retries') {
  service.enableRetries({ maxRetries: 2, maxRetryInterval: 1 });
}
service.createApiKey({ name: 'edge', iamId: 'iam-ServiceId-1' }).then(
  (answer) => console.log('the caller gets ' + answer.result.id),
  (error) => console.log('the caller gets status ' + error.status));
JS

# ask token|create STATUS retries|none: what was asked of IAM, and what the caller got.
ask() {
	rm -f port
	background python3 iam.py "$1" "$2" >requests
	wait_for test -s port
	node ask.js "$3" >got
	echo "$(sort requests | uniq -c | awk '{print $1, $2}' | paste -s -d ' '), $(cat got)"
}

ask create 504 none >said
seen "a create, 504, no retries" "1 create 1 token, the caller gets status 504" "$(cat said)"
ask create 504 retries >said
seen "a create, 504, retries" "2 create 1 token, the caller gets ApiKey-2" "$(cat said)"
ask token 503 retries >said
seen "a token, 503, retries" "1 token, the caller gets status 503" "$(cat said)"
echo "as stated"
