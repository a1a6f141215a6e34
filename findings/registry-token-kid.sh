#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A registry of version 3 refuses the tokens that one of version 2 takes, by the form of the key's name in them, and the other
# way round.
#
# Versions:  distribution 3.1.2 and Debian 12's docker-registry 2.8.2, with one configuration
# Expected:  a token by the specification, signed by the key of rootcertbundle, is taken by both: its header has at least one of
#            `kid`, `jwk` and `x5c`, and `kid` is as in the example, PYYO:TEWU:... with eleven colons.
# Seen:      with that `kid` version 3 answers 401, "token signed by untrusted key", though its own document shows it and names no
#            other. It knows the key by the thumbprint of RFC 7638, which version 2 refuses. With the certificate in `x5c`,
#            alone or beside either, both take it.
# Who:       whoever brings a registry with a token server of their own from registry:2 to registry:3: every push and pull fails
#            from then on. A server that sends `x5c` works with both, so it is to be changed first.
# Source:    both registries; docs/content/spec/auth/jwt.md of 3.1.2. The notes of 3.0 say that a library was replaced.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"
address=

debian docker-registry docker-registry 2.8.2
build_distribution
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=token server" -days 30 \
	-keyout key.pem -out cert.pem 2>/dev/null
cat >registry.yml <<'YML'
version: 0.1
log: {level: info}
storage: {inmemory: {}}
http: {addr: "127.0.0.1:0"}
auth:
  token: {realm: "https://auth.example.com/token", service: registry, issuer: token-server, rootcertbundle: cert.pem}
YML
serve registry
three=$address
background docker-registry serve registry.yml >two.log 2>&1
wait_for grep -q 'listening on 127.0.0.1:' two.log
two=$(grep -o -m 1 'listening on 127.0.0.1:[0-9]*' two.log | cut -d ' ' -f 3)

cat >token.py <<'PYTHON'
# `token.py NAME...`: a token whose header names the key in each of these ways.
import base64, hashlib, json, subprocess, sys, time

run = lambda command, given=b"": subprocess.run(command.split(), input=given, stdout=subprocess.PIPE, check=True).stdout
part = lambda what: base64.urlsafe_b64encode(what).decode().rstrip("=")
public = run("openssl pkey -in key.pem -pubout -outform DER")
x, y = public[-64:-32], public[-32:]
letters = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
key = json.dumps({"crv": "P-256", "kty": "EC", "x": part(x), "y": part(y)}, separators=(",", ":"))
names = {
    "colons": {"kid": ":".join(letters[at:at + 4] for at in range(0, 48, 4))},
    "thumbprint": {"kid": part(hashlib.sha256(key.encode()).digest())},
    "x5c": {"x5c": [base64.b64encode(run("openssl x509 -in cert.pem -outform DER")).decode()]},
}
header = {"typ": "JWT", "alg": "ES256"}
for name in sys.argv[1:]:
    header |= names[name]
now = int(time.time())
claims = {"iss": "token-server", "sub": "edge", "aud": "registry", "jti": "1", "iat": now, "nbf": now - 10, "exp": now + 600,
          "access": [{"type": "repository", "name": "plant/sensor", "actions": ["pull"]}]}
signed = part(json.dumps(header).encode()) + "." + part(json.dumps(claims).encode())
# openssl's signature is two numbers in DER; that of a token is the two in 32 bytes each.
numbers = run("openssl dgst -sha256 -sign key.pem", signed.encode())
first = numbers[4:4 + numbers[3]]
second = numbers[6 + numbers[3]:]
print(signed + "." + part(b"".join(number[-32:].rjust(32, b"\0") for number in (first, second))))
PYTHON

# answer NAME...: what each registry answers, 404 being that of a repository which is not there yet.
answer() {
	local token registry
	token=$(python3 token.py "$@")
	for registry in "$two" "$three"; do
		curl -sS -o /dev/null -w '%{http_code} ' -H "Authorization: Bearer $token" "http://$registry/v2/plant/sensor/tags/list"
	done
}
seen "kid with colons: 2.8.2, 3.1.2" "404 401 " "$(answer colons)"
grep -q 'token signed by untrusted key' registry.log || fail "3.1.2 says: $(cat registry.log)"
seen "kid by thumbprint" "401 404 " "$(answer thumbprint)"
seen "x5c" "404 404 " "$(answer x5c)"
seen "x5c and kid with colons" "404 404 " "$(answer x5c colons)"
seen "x5c and kid by thumbprint" "404 404 " "$(answer x5c thumbprint)"
echo "as stated"
