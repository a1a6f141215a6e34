// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestProbeFindsAccess(t *testing.T) {
	existing := func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"name":"factory/edge-registry-probe","tags":[]}`)
	}
	for _, tt := range []struct {
		name     string
		token    string
		override map[string]http.HandlerFunc
		want     Access
	}{
		{"a publisher may pull and push", publisherToken, nil, Access{Pull: true, Push: true}},
		{"a puller may pull", pullerToken, nil, Access{Pull: true}},
		{"a token without a role may nothing", strangerToken, nil, Access{}},
		{"a repository that exists", publisherToken, map[string]http.HandlerFunc{"GET " + tagsPath: existing},
			Access{Pull: true, Push: true}},
		{"forbidden means no", publisherToken, map[string]http.HandlerFunc{
			"GET " + tagsPath: status(http.StatusForbidden), "PATCH " + uploadPath: status(http.StatusForbidden),
		}, Access{}},
		{"an upload that the registry does not know", publisherToken, push(coded(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")),
			Access{Pull: true, Push: true}},
		{"an upload of which it cannot read the state", publisherToken, push(coded(http.StatusNotFound, "BLOB_UPLOAD_INVALID")),
			Access{Pull: true, Push: true}},
		{"a bad request for an upload that it does not know", publisherToken, push(coded(http.StatusBadRequest, "BLOB_UPLOAD_UNKNOWN")),
			Access{Pull: true, Push: true}},
		{"a bad request for an upload of which it cannot read the state", publisherToken, push(coded(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")),
			Access{Pull: true, Push: true}},
		{"a registry that is read-only", publisherToken, push(status(http.StatusMethodNotAllowed)),
			Access{Pull: true, Push: true, ReadOnly: true}},
		{"an upload that it denies", publisherToken, push(coded(http.StatusUnauthorized, "UNAUTHORIZED")), Access{Pull: true}},
		{"an upload that it forbids", publisherToken, push(coded(http.StatusForbidden, "DENIED")), Access{Pull: true}},
		{"the code of a missing upload under a refusal", publisherToken, push(coded(http.StatusUnauthorized, "BLOB_UPLOAD_UNKNOWN")), Access{Pull: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startOpenShift(t)
			o.override = orEmpty(tt.override)
			got, err := o.probe(t.Context(), tt.token)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tt.want))
			expectNothingBegun(t, o)
		})
	}
}

func orEmpty(override map[string]http.HandlerFunc) map[string]http.HandlerFunc {
	if override == nil {
		return map[string]http.HandlerFunc{}
	}
	return override
}

// push overrides the answer to the question whether the token may push.
func push(answer http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"PATCH " + uploadPath: answer}
}

// coded answers with an error code of the registry.
func coded(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answerError(w, status, code, "null") }
}

func TestProbeSendsFourRequestsAndBeginsNoUpload(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	_, err := o.probe(t.Context(), publisherToken)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.seen()).To(Equal([]string{"GET /v2/", "GET " + tokenPath, "GET " + tagsPath, "PATCH " + uploadPath}))
	g.Expect(o.logins).To(ConsistOf(
		"account=edge-publisher.factory&scope=repository%3Afactory%2Fedge-registry-probe%3Apull%2Cpush&service="))
}

func TestTheAttemptToPushHoldsNoData(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	var body []byte
	var query string
	o.override["PATCH "+uploadPath] = func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		query = r.URL.RawQuery
		o.missUpload(w, r)
	}
	access, err := o.probe(t.Context(), publisherToken)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(access.Push).To(BeTrue())
	g.Expect(body).To(BeEmpty())
	g.Expect(query).To(BeEmpty())
}

// One origin is written in several ways (RFC 3986, section 6.2.3; docker-registry, issue 545).
func TestARealmOfTheSameOriginIsTheRegistrysOwn(t *testing.T) {
	for _, realm := range []string{"https://" + host + ":443" + tokenPath, "https://REGISTRY.example.com" + tokenPath, "HTTPS://" + host + tokenPath} {
		t.Run(realm, func(t *testing.T) {
			g := NewWithT(t)
			o := startOpenShift(t)
			o.override["GET /v2/"] = challengeWith(fmt.Sprintf("Bearer realm=%q", realm))
			access, err := o.probe(t.Context(), publisherToken)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(access.Push).To(BeTrue())
		})
	}
}

// expectNothingBegun checks that no request could leave anything in the registry
// or take anything from it.
func expectNothingBegun(t *testing.T, o *openShift) {
	t.Helper()
	for _, request := range o.seen() {
		NewWithT(t).Expect(request).To(Or(HavePrefix("GET "), Equal("PATCH "+uploadPath)))
	}
}

func answer200(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) }
}

func challengeWith(value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if value != "" {
			w.Header().Set("WWW-Authenticate", value)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// echo answers with the token in every place that a client could quote.
func echo(w http.ResponseWriter, r *http.Request) {
	_, token, _ := r.BasicAuth()
	token += bearer(r)
	w.Header().Set("Location", "https://elsewhere.example.com/"+token)
	w.Header().Set("WWW-Authenticate", "Bearer realm="+token)
	w.WriteHeader(http.StatusTeapot)
	_, _ = fmt.Fprintf(w, `{"token":%q,"errors":[{"code":%q,"message":%q}]}`, token, token, token)
}

// echoRaw breaks HTTP with the token in the status line.
func echoRaw(w http.ResponseWriter, r *http.Request) {
	_, token, _ := r.BasicAuth()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s%s\r\n\r\n", token, bearer(r))
	_ = conn.Close()
}

func TestProbeFails(t *testing.T) {
	unavailable := status(http.StatusServiceUnavailable)
	for _, tt := range []struct {
		name   string
		token  string
		route  string
		answer http.HandlerFunc
		kind   Kind
		op     op
		text   string
		// silent means that no request with credentials may be seen.
		silent bool
	}{
		{"a token that the registry does not accept", garbageToken, "", nil, Refused, opLogin, "the token is refused", false},
		{"a token that it forbids", publisherToken, "GET " + tokenPath, status(http.StatusForbidden), Refused, opLogin, "does not count there", false},
		{"no token", "", "", nil, Refused, opLogin, "there is no token", true},
		{"a login that is taken for anonymous", publisherToken, "GET " + tokenPath, answer200(`{"token":"anonymous"}`), Refused, opLogin, "anonymous", false},
		{"a login without a token in the answer", publisherToken, "GET " + tokenPath, answer200(`{}`), Unexpected, opLogin, "holds no token", false},
		{"a login that answers garbage", publisherToken, "GET " + tokenPath, answer200(`<html>`), Unexpected, opLogin, "holds no token", false},
		{"a router without a backend", publisherToken, "GET /v2/", unavailable, Unavailable, opChallenge, "answered 503 Service Unavailable", true},
		{"a backend that fails at the login", publisherToken, "GET " + tokenPath, status(500), Unavailable, opLogin, "answered 500", false},
		{"a backend that fails at the pull", publisherToken, "GET " + tagsPath, unavailable, Unavailable, opPull, "answered 503", false},
		{"a backend that fails at the push", publisherToken, "PATCH " + uploadPath, unavailable, Unavailable, opPush, "answered 503", false},
		{"too many requests", publisherToken, "GET " + tagsPath, status(http.StatusTooManyRequests), Unavailable, opPull, "answered 429", false},
		{"a registry that asks for nothing", publisherToken, "GET /v2/", answer200(`{}`), Unexpected, opChallenge, "answered 200 OK", true},
		{"no registry", publisherToken, "GET /v2/", status(http.StatusNotFound), Unexpected, opChallenge, "answered 404", true},
		{"no challenge", publisherToken, "GET /v2/", challengeWith(""), Unexpected, opChallenge, "offers no Bearer", true},
		{"a Basic challenge", publisherToken, "GET /v2/", challengeWith(`Basic realm="x"`), Unexpected, opChallenge, "offers no Bearer", true},
		{"a realm on another host", publisherToken, "GET /v2/", challengeWith(`Bearer realm="https://elsewhere.example.com/openshift/token"`), Unexpected, opChallenge, "another host (https://elsewhere.example.com)", true},
		{"a realm on another port", publisherToken, "GET /v2/", challengeWith(`Bearer realm="https://` + host + `:8443/openshift/token"`), Unexpected, opChallenge, "another host", true},
		{"a realm without TLS", publisherToken, "GET /v2/", challengeWith(`Bearer realm="http://` + host + `/openshift/token"`), Unexpected, opChallenge, "another host", true},
		{"a realm with a password", publisherToken, "GET /v2/", challengeWith(`Bearer realm="https://a:b@` + host + `/openshift/token"`), Unexpected, opChallenge, "another host", true},
		{"a realm that hides another host behind a user", publisherToken, "GET /v2/", challengeWith(`Bearer realm="https://` + host + `@elsewhere.example.com/"`), Unexpected, opChallenge, "another host", true},
		{"a realm without a host", publisherToken, "GET /v2/", challengeWith(`Bearer realm="/openshift/token"`), Unexpected, opChallenge, "another host", true},
		{"no realm", publisherToken, "GET /v2/", challengeWith(`Bearer service="x"`), Unexpected, opChallenge, "another host", true},
		{"a redirect of the challenge", publisherToken, "GET /v2/", redirect, Unexpected, opChallenge, "answered 307", true},
		{"a redirect of the login", publisherToken, "GET " + tokenPath, redirect, Unexpected, opLogin, "answered 307", false},
		{"a redirect of the pull", publisherToken, "GET " + tagsPath, redirect, Unexpected, opPull, "answered 307", false},
		{"a redirect of the push", publisherToken, "PATCH " + uploadPath, redirect, Unexpected, opPush, "answered 307", false},
		{"an unknown page instead of a repository", publisherToken, "GET " + tagsPath, status(http.StatusNotFound), Unexpected, opPull, "answered 404", false},
		{"a method that a proxy on the way does not allow", publisherToken, "PATCH " + uploadPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("Docker-Distribution-Api-Version")
			w.WriteHeader(http.StatusMethodNotAllowed)
		}, Unexpected, opPush, "answered 405", false},
		{"an upload that is begun", publisherToken, "PATCH " + uploadPath, status(http.StatusAccepted), Unexpected, opPush, "answered 202", false},
		{"an upload that is finished at once", publisherToken, "PATCH " + uploadPath, status(http.StatusCreated), Unexpected, opPush, "answered 201", false},
		{"an unknown page instead of uploads", publisherToken, "PATCH " + uploadPath, status(http.StatusNotFound), Unexpected, opPush, "answered 404", false},
		{"a bad request without a code", publisherToken, "PATCH " + uploadPath, status(http.StatusBadRequest), Unexpected, opPush, "answered 400", false},
		{"an unknown repository instead of an upload", publisherToken, "PATCH " + uploadPath, coded(http.StatusNotFound, "NAME_UNKNOWN"), Unexpected, opPush, "code NAME_UNKNOWN", false},
		{"an invalid name instead of an upload", publisherToken, "PATCH " + uploadPath, coded(http.StatusBadRequest, "NAME_INVALID"), Unexpected, opPush, "code NAME_INVALID", false},
		{"the code of a missing upload in a success", publisherToken, "PATCH " + uploadPath, coded(http.StatusOK, "BLOB_UPLOAD_UNKNOWN"), Unexpected, opPush, "answered 200", false},
		{"the code of a missing upload in a failure", publisherToken, "PATCH " + uploadPath, coded(http.StatusInternalServerError, "BLOB_UPLOAD_UNKNOWN"), Unavailable, opPush, "answered 500", false},
		{"too many requests at the push", publisherToken, "PATCH " + uploadPath, status(http.StatusTooManyRequests), Unavailable, opPush, "answered 429", false},
		{"a code that is a token", publisherToken, "PATCH " + uploadPath, coded(http.StatusNotFound, publisherToken), Unexpected, opPush, "answered 404", false},
		{"a code of the registry", publisherToken, "GET " + tagsPath, func(w http.ResponseWriter, _ *http.Request) {
			answerError(w, http.StatusInternalServerError, "UNKNOWN", "null")
		}, Unavailable, opPull, "code UNKNOWN", false},
		{"a code that no registry has", publisherToken, "GET " + tagsPath, coded(http.StatusInternalServerError, "HUNTER"), Unavailable, opPull, "Internal Server Error: check", false},
		{"a message and details beside a code", publisherToken, "GET " + tagsPath, func(w http.ResponseWriter, r *http.Request) {
			answerError(w, http.StatusInternalServerError, "UNKNOWN", fmt.Sprintf("%q", bearer(r)+" call 555 and say secret"))
		}, Unavailable, opPull, "(code UNKNOWN): check", false},
		{"a broken answer to the challenge", publisherToken, "GET /v2/", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = fmt.Fprint(conn, "220 call 555 and say secret\r\n\r\n")
				_ = conn.Close()
			}
		}, Unreachable, opChallenge, "no valid answer", true},
		{"an echo at the login", publisherToken, "GET " + tokenPath, echo, Unexpected, opLogin, "answered 418", false},
		{"an echo at the pull", publisherToken, "GET " + tagsPath, echo, Unexpected, opPull, "answered 418", false},
		{"an echo at the push", publisherToken, "PATCH " + uploadPath, echo, Unexpected, opPush, "answered 418", false},
		{"a broken echo at the login", publisherToken, "GET " + tokenPath, echoRaw, Unreachable, opLogin, "no valid answer", false},
		{"a broken echo at the pull", publisherToken, "GET " + tagsPath, echoRaw, Unreachable, opPull, "no valid answer", false},
		{"a broken echo at the push", publisherToken, "PATCH " + uploadPath, echoRaw, Unreachable, opPush, "no valid answer", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startOpenShift(t)
			if tt.route != "" {
				o.override[tt.route] = tt.answer
			}
			access, err := o.probe(t.Context(), tt.token)
			g := NewWithT(t)
			g.Expect(access).To(BeZero())
			expectError(t, err, tt.kind, tt.op, tt.text)
			if tt.silent {
				g.Expect(len(o.seen())).To(BeNumerically("<", 2), "nothing is sent after the challenge")
			}
			expectNothingBegun(t, o)
		})
	}
}

// expectError checks what was reported, and that no token is in any form of it.
func expectError(t *testing.T, err error, kind Kind, o op, text string) {
	t.Helper()
	g := NewWithT(t)
	var failure *Error
	g.Expect(errors.As(err, &failure)).To(BeTrue(), "%v", err)
	g.Expect(failure.Kind).To(Equal(kind), failure.Error())
	g.Expect(failure.Op).To(Equal(string(o)), failure.Error())
	g.Expect(failure.Host).To(Equal(host))
	g.Expect(failure.Error()).To(ContainSubstring(text))
	g.Expect(failure.Error()).To(ContainSubstring(host))
	g.Expect(failure.Error()).To(MatchRegexp(`^[^\n\r]+$`))
	g.Expect(len(failure.Error())).To(BeNumerically("<", 600))
	for cause := error(failure); cause != nil; cause = errors.Unwrap(cause) {
		g.Expect(strings.Contains(fmt.Sprintf("%s %v %+v %#v", cause, cause, cause, cause), "secret")).To(BeFalse(), "a token shows")
	}
}

func TestProbeWithoutAConnection(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for _, tt := range []struct {
		name   string
		change func(*http.Transport)
		kind   Kind
		text   string
	}{
		{"a name that does not resolve", func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
		}, Unresolvable, "check its DNS record"},
		{"a refused connection", func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
		}, Unreachable, "connection refused"},
		{"a certificate of an unknown CA", func(tr *http.Transport) { tr.TLSClientConfig.RootCAs = x509.NewCertPool() },
			Untrusted, "unknown authority"},
		{"a certificate for another host", func(tr *http.Transport) { tr.TLSClientConfig.ServerName = "elsewhere.test" },
			Untrusted, "elsewhere.test"},
		{"a host that does not speak TLS", func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
			}
		}, Unexpected, "does not speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startOpenShift(t)
			transport := o.transport()
			tt.change(transport)
			_, err := New(host, transport, spoken).Probe(t.Context(), "factory", "edge-publisher.factory", credential.NewToken(publisherToken))
			expectError(t, err, tt.kind, opChallenge, tt.text)
			NewWithT(t).Expect(o.seen()).To(BeEmpty())
		})
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	for i, route := range []string{"GET /v2/", "GET " + tokenPath, "GET " + tagsPath, "PATCH " + uploadPath} {
		t.Run(route, func(t *testing.T) {
			g := NewWithT(t)
			o := startOpenShift(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o.override[route] = func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			}
			_, err := o.probe(ctx, publisherToken)
			g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
			g.Expect(o.seen()).To(HaveLen(i + 1))
		})
	}
}

// roundTripper is a transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNoPushIsTriedOnceTheContextHasEnded(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := o.transport()
	client := New(host, roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := transport.RoundTrip(r)
		if err == nil && r.URL.Path == tagsPath {
			body, readErr := io.ReadAll(resp.Body)
			g.Expect(readErr).NotTo(HaveOccurred())
			g.Expect(resp.Body.Close()).To(Succeed())
			resp.Body = io.NopCloser(bytes.NewReader(body))
			cancel()
		}
		return resp, err
	}), spoken)
	_, err := client.Probe(ctx, "factory", "edge-publisher.factory", credential.NewToken(publisherToken))
	expectError(t, err, Unreachable, opPush, "context canceled")
	g.Expect(o.seen()).To(HaveLen(3))
}

func TestABodyIsReadOnlyUpToALimit(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	o.override["GET "+tokenPath] = answer200(`{"padding":"` + strings.Repeat("x", maxBody) + `","token":"x"}`)
	_, err := o.probe(t.Context(), publisherToken)
	expectError(t, err, Unexpected, opLogin, "holds no token")
	g.Expect(o.seen()).To(HaveLen(2))
}
