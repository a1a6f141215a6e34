// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// host is a name that the certificate of httptest covers.
const host = "registry.example.com"

// Tokens that the stand-in knows. None may show up in a message.
const (
	publisherToken = "header.secret-of-the-publisher.signature"
	pullerToken    = "header.secret-of-the-puller.signature"
	strangerToken  = "header.secret-of-a-stranger.signature"
	garbageToken   = "header.secret-that-is-garbage.signature"
)

// openShift answers as the image registry of OpenShift does. A handler in
// override takes the place of the usual one, by "METHOD path".
type openShift struct {
	server   *httptest.Server
	override map[string]http.HandlerFunc

	mutex sync.Mutex
	// requests are "METHOD path".
	requests []string
	// logins are the queries of the token endpoint.
	logins []string
}

const (
	tokenPath  = "/openshift/token"
	repository = "/v2/factory/edge-registry-probe"
	tagsPath   = repository + "/tags/list"
	uploadPath = repository + "/blobs/uploads/"
)

func startOpenShift(t *testing.T) *openShift {
	t.Helper()
	o := &openShift{override: map[string]http.HandlerFunc{}}
	o.server = httptest.NewUnstartedServer(o)
	o.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	o.server.StartTLS()
	t.Cleanup(o.server.Close)
	return o
}

// spoken is the dialect of the stand-in.
var spoken = Dialect{Anonymous: "anonymous", AnyRepository: true}

// transport trusts the stand-in alone and resolves its host alone.
func (o *openShift) transport() *http.Transport {
	config := o.server.Client().Transport.(*http.Transport).TLSClientConfig
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if !strings.EqualFold(addr, host+":443") {
				name, _, _ := net.SplitHostPort(addr)
				return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
			}
			return new(net.Dialer).DialContext(ctx, network, o.server.Listener.Addr().String())
		},
	}
}

func (o *openShift) probe(ctx context.Context, token string) (Access, error) {
	transport := o.transport()
	defer transport.CloseIdleConnections()
	return New(host, transport, spoken).Probe(ctx, "factory", "edge-publisher.factory", credential.NewToken(token))
}

func (o *openShift) seen() []string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return append([]string(nil), o.requests...)
}

func (o *openShift) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := r.Method + " " + r.URL.Path
	o.mutex.Lock()
	o.requests = append(o.requests, route)
	override := o.override[route]
	o.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch {
	case override != nil:
		override(w, r)
	case r.URL.Path == "/v2/":
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", "https://"+r.Host+tokenPath))
		answerError(w, http.StatusUnauthorized, "UNAUTHORIZED", "null")
	case r.URL.Path == tokenPath:
		o.giveToken(w, r)
	case r.URL.Path == tagsPath:
		o.listTags(w, r)
	case r.URL.Path == uploadPath:
		o.missUpload(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (o *openShift) giveToken(w http.ResponseWriter, r *http.Request) {
	o.mutex.Lock()
	o.logins = append(o.logins, r.URL.RawQuery)
	o.mutex.Unlock()
	_, token, ok := r.BasicAuth()
	switch {
	case !ok:
		token = spoken.Anonymous
	case token == garbageToken:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token":%q}`, token, token)
}

func (o *openShift) listTags(w http.ResponseWriter, r *http.Request) {
	switch bearer(r) {
	case publisherToken, pullerToken:
		answerError(w, http.StatusNotFound, "NAME_UNKNOWN", `{"name":"factory/edge-registry-probe"}`)
	default:
		deny(w)
	}
}

func (o *openShift) missUpload(w http.ResponseWriter, r *http.Request) {
	if bearer(r) != publisherToken {
		deny(w)
		return
	}
	answerError(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "null")
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

func deny(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm=openshift,error="access denied"`)
	answerError(w, http.StatusUnauthorized, "UNAUTHORIZED",
		`[{"Type":"repository","Class":"","Name":"factory/edge-registry-probe","Action":"pull"}]`)
}

func answerError(w http.ResponseWriter, status int, code, detail string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"as the registry says","detail":%s}]}`, code, detail)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "https://elsewhere.example.com/")
	w.WriteHeader(http.StatusTemporaryRedirect)
}
