// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

// This file is about who says no: the registry, or what stands before it.

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// page answers as what stands before a registry does: in HTML, and without its mark.
func page(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del(apiVersion)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body>call 555 and say secret</body></html>")
	}
}

// steps are the requests of a probe, and what each is for.
var steps = map[string]op{"GET /v2/": opChallenge, "GET " + tokenPath: opLogin, "GET " + tagsPath: opPull, "PATCH " + uploadPath: opPush}

// An answer without the registry's mark is none, whatever was asked and whatever its status says (docker-registry-frontend, issue
// 75): it is no refusal of a right or of a token, and no permission.
func TestWhatStandsBeforeARegistryIsNotTakenForIt(t *testing.T) {
	for status, kind := range map[int]Kind{
		http.StatusOK: Unexpected, http.StatusUnauthorized: Unexpected, http.StatusForbidden: Unexpected, http.StatusNotFound: Unexpected,
		http.StatusMethodNotAllowed: Unexpected, http.StatusProxyAuthRequired: Unexpected, http.StatusBadGateway: Unavailable, http.StatusServiceUnavailable: Unavailable,
	} {
		for request, during := range steps {
			t.Run(http.StatusText(status)+" "+request, func(t *testing.T) {
				o := startOpenShift(t)
				o.override[request] = page(status)
				for _, token := range []string{publisherToken, pullerToken} {
					access, err := o.probe(t.Context(), token)
					NewWithT(t).Expect(access).To(BeZero())
					said := "by a router, a proxy or a firewall before it"
					switch {
					case status == http.StatusUnauthorized && during == opChallenge:
						said = "offers no Bearer"
					case status == http.StatusOK && during == opLogin:
						said = "holds no token"
					}
					expectError(t, err, kind, during, said)
				}
			})
		}
	}
}

// The same at registries of which nothing is known but their answers, some of which mark none.
func TestAPageIsNoRefusalInAnyDialect(t *testing.T) {
	for name, s := range standIns {
		t.Run(name, func(t *testing.T) {
			r := start(t, s)
			usual := r.server.Config.Handler
			r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") != "" {
					page(http.StatusForbidden)(w, req)
					return
				}
				usual.ServeHTTP(w, req)
			})
			access, err := r.probe(t, "plant/there", reader, reader+"-secret")
			g := NewWithT(t)
			g.Expect(access).To(BeZero())
			g.Expect(err).To(HaveField("Kind", Unexpected))
			g.Expect(err.Error()).To(And(ContainSubstring("answered 403"), Not(ContainSubstring("555"))))
		})
	}
}

// A proxy that does not connect is reported as such, and nothing is said about the registry.
func TestAProxyThatRefusesIsNotTheRegistry(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusBadGateway} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			o := startOpenShift(t)
			proxy := httptest.NewServer(page(status))
			t.Cleanup(proxy.Close)
			where, err := url.Parse(proxy.URL)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			transport := o.transport()
			transport.DialContext, transport.Proxy, transport.OnProxyConnectResponse = nil, http.ProxyURL(where), text.RefusedByProxy
			_, err = New(host, transport, spoken).Probe(t.Context(), "factory", "edge-publisher.factory", credential.NewToken(publisherToken))
			expectError(t, err, Unreachable, opChallenge, fmt.Sprintf("(the proxy answered %d %s): check the cluster proxy and its noProxy", status, http.StatusText(status)))
			g.Expect(o.seen()).To(BeEmpty())
		})
	}
}
