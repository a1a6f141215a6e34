#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A bundle of trust-manager ends without a line break: with another CA appended to it, Go's programs lose that CA and the last
# one of the bundle, in silence.
#
# Versions:  trust-manager 0.25.0 (its package pkg/util, whose PEM() is what goes into the ConfigMap or Secret); crane of
#            go-containerregistry 0.22.1 for what Go does with it
# Expected:  PEM files may be joined with `cat`, as those that openssl writes.
# Seen:      the break at the end is taken off. Joined, two marks share a line. Go passes over the certificate before that
#            line and the one after it, and keeps the others, so that nothing fails but the handshake with the hosts of
#            those two. So does trust-manager with the joined file as a source, though it refuses what it does not know.
# Who:       whoever makes a file for SSL_CERT_FILE, which replaces the trust of the system, of a cluster's bundle and the
#            `ca.crt` of a registry: `cat bundle.pem ca.crt`. The other way round works.
# Source:    trust-manager; neither its documents nor its API say so.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

mkdir program
cat >program/go.mod <<'MOD'
module program

go 1.26.0

require github.com/cert-manager/trust-manager v0.25.0
MOD
cat >program/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/cert-manager/trust-manager/pkg/util"
)

// It prints the bundle of the sources that it is given, as the controller writes it.
func main() {
	pool := util.NewCertPool()
	for _, name := range os.Args[1:] {
		source, err := os.ReadFile(name)
		if err == nil {
			err = pool.AddCertsFromPEM(source)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Print(pool.PEM())
}
GO
(cd program && go build -o "$GOBIN/bundle" .)
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

# A registry over TLS for each CA: one and two are in the bundle, three is what is appended.
cat >registry.py <<'PYTHON'
import http.server, ssl, sys

import answering

class Handler(answering.Handler):
    def do_GET(self):
        self.answer(200, {}, b'{"name": "plant/sensor", "tags": ["trusted"]}')

name = sys.argv[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(name + ".pem", name + ".key")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(name + ".port", "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
PYTHON
for name in one two three; do
	openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$name" -addext subjectAltName=IP:127.0.0.1 -days 30 \
		-keyout $name.key -out $name.pem 2>/dev/null
	background python3 registry.py $name 2>/dev/null
	wait_for test -s $name.port
done

# trusted FILE: how many of the three registries crane trusts by it.
trusted() {
	local name count=0
	for name in one two three; do
		if [ "$(SSL_CERT_FILE="$1" SSL_CERT_DIR=none crane ls "127.0.0.1:$(cat $name.port)/plant/sensor" 2>>refused)" = trusted ]; then
			count=$((count + 1))
		fi
	done
	echo $count
}

bundle one.pem two.pem >bundle.pem
seen "the last character of openssl's file" '\n' "$(tail -c 1 three.pem | od -An -c | tr -d ' ')"
seen "the last character of the bundle" - "$(tail -c 1 bundle.pem | od -An -c | tr -d ' ')"
seen "trusted by the bundle" 2 "$(trusted bundle.pem)"
cat bundle.pem three.pem >joined.pem
seen "trusted by cat bundle.pem three.pem" 1 "$(trusted joined.pem)"
bundle joined.pem >again.pem
seen "left by trust-manager of it, as a source" 1 "$(grep -c BEGIN again.pem)"
cat three.pem bundle.pem >turned.pem
seen "trusted by cat three.pem bundle.pem" 3 "$(trusted turned.pem)"
grep -q 'signed by unknown authority' refused || fail "refused for something else: $(cat refused)"
echo "as stated"
