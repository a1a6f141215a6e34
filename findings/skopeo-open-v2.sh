#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Where everybody may read and a login is needed to push, skopeo never sends the login that it has, and crane, oras and regctl do.
#
# Versions:  skopeo 1.9.3, podman 4.3.1, crane 0.22.1, oras 1.3.6, regctl 0.11.7; distribution 3.1.2 behind a proxy that asks for a
#            login for all methods but GET and HEAD, as nginx does with `limit_except GET HEAD`
# Expected:  who is answered 401 with a challenge, and has the login, repeats the request with it. That is HTTP, and how the
#            registry's own documents begin the flow of tokens.
# Seen:      skopeo asks /v2/ once. That is open, so it takes the registry for one without logins, and the 401 of the push for
#            final: "authentication required". `podman login` asks /v2/ too, and calls any password a success.
# Who:       registries that are public to read: a push with podman, buildah or skopeo, which share that library, fails with the
#            right login, and a new password is no help. It works once /v2/ itself asks for the login.
# Source:    containers/image; its documents do not say so.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"
address=

debian skopeo skopeo 1.9.3
debian podman podman 4.3.1
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

cat >proxy.go <<'GO'
// Command proxy stands before the registry at its first argument; with the second, `all`, it asks for the login always.
package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	registry := &url.URL{Scheme: "http", Host: os.Args[1]}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(registry)
		r.Out.Host = r.In.Host
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if err := os.WriteFile(os.Args[2]+".port", []byte(port), 0o600); err != nil {
		panic(err)
	}
	panic(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if (os.Args[2] == "all" || !reads) && (user != "edge" || password != "secret") {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		forward.ServeHTTP(w, r)
	})))
}
GO
go build -o "$GOBIN/proxy" proxy.go
mkdir home/.docker
for which in pushes all; do
	background proxy "$address" $which
	wait_for test -s $which.port
done
pushes=127.0.0.1:$(cat pushes.port) all=127.0.0.1:$(cat all.port)
auth="{\"auth\": \"$(encoded edge:secret)\"}"
echo "{\"auths\": {\"$pushes\": $auth, \"$all\": $auth}}" >home/.docker/config.json
for host in "$address" "$pushes" "$all"; do regctl registry set "$host" --tls disabled 2>/dev/null; done

python3 - "$address" <<'PYTHON'
import sys

from images import OCI, OCI_CONFIG, Repository

Repository(sys.argv[1]).image(OCI + ".manifest.v1+json", OCI_CONFIG, "arm64", "1.0.0")
PYTHON
from=$address/plant/sensor:1.0.0

# said COMMAND...: whether it succeeds; what it says is in the file `answer`.
said() { if "$@" >answer 2>&1; then echo pushed; else echo refused; fi; }
seen "crane, /v2/ open" pushed "$(said crane copy "$from" "$pushes/plant/crane:1")"
seen "oras, /v2/ open" pushed "$(said oras copy --from-plain-http --to-plain-http "$from" "$pushes/plant/oras:1")"
seen "regctl, /v2/ open" pushed "$(said regctl image copy "$from" "$pushes/plant/regctl:1")"
plain=(skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false "docker://$from")
seen "skopeo, /v2/ open" refused "$(said "${plain[@]}" "docker://$pushes/plant/skopeo:1")"
grep -q 'authentication required' answer || fail "skopeo says: $(cat answer)"
seen "skopeo, /v2/ with a login" pushed "$(said "${plain[@]}" "docker://$all/plant/skopeo:2")"

# login HOST: what podman says to a wrong password.
login() {
	echo wrong | podman login --tls-verify=false --authfile login.json -u edge --password-stdin "$1" 2>&1 |
		grep -o -e 'Login Succeeded' -e 'invalid username/password'
}
seen "podman login, wrong password, /v2/ open" "Login Succeeded" "$(login "$pushes")"
seen "podman login, wrong password, /v2/ with a login" "invalid username/password" "$(login "$all")"
echo "as stated"
