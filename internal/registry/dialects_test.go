// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

// This file is about registries that are not the cluster's own: what each is known to answer, from its source, from
// recordings or from a run of it.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// The users of a stand-in. The password of each is its name with "-secret" behind it.
const (
	pusher   = "robot$plant+push"
	reader   = "robot$plant+edge"
	stranger = "robot$other+edge"
)

// standIn is a registry by what it answers.
type standIn struct {
	// challenge is what it asks for a login with, on whatever address it asks for one; %s is its host.
	challenge []string
	// wants is how a request shows a login: "Basic", or "Bearer" after a token was given at tokenPath.
	wants, tokenPath string
	// refusal is the answer of the token endpoint to a wrong password, or where there is none, the status of the registry's own
	// if that is no 401; and anonymous is whether it gives others a token.
	refusal   int
	refused   string
	anonymous bool
	// emptyHanded: a wrong password gets a token too, as soon as a scope is asked for.
	emptyHanded bool
	// public: everybody may pull.
	public bool
	// absent is the code for a repository that is not there, which those who may read get.
	absent string
	// denied is the status where a right lacks.
	denied int
	// upload is the code for an upload that was never begun.
	upload string
	// makes: to ask for a token that may push makes the repository.
	makes bool
}

var standIns = map[string]standIn{
	"distribution with htpasswd": {challenge: []string{`Basic realm="basic-realm"`}, wants: "Basic", absent: "NAME_UNKNOWN", denied: 401, upload: "BLOB_UPLOAD_INVALID"},
	"distribution with tokens": {challenge: []string{`Bearer realm="https://%s/auth",service="plant"`}, wants: "Bearer", tokenPath: "/auth",
		refusal: 401, anonymous: true, absent: "NAME_UNKNOWN", denied: 401, upload: "BLOB_UPLOAD_INVALID"},
	"Harbor": {challenge: []string{`Bearer realm="https://%s/service/token",service="harbor-registry"`}, wants: "Bearer", tokenPath: "/service/token",
		refusal: 401, emptyHanded: true, absent: "NOT_FOUND", denied: 401, upload: "BLOB_UPLOAD_INVALID"},
	"Quay": {challenge: []string{`Bearer realm="https://%s/v2/auth",service="%[1]s"`}, wants: "Bearer", tokenPath: "/v2/auth",
		refusal: 401, anonymous: true, denied: 401, upload: "BLOB_UPLOAD_UNKNOWN", makes: true},
	"Gitea": {challenge: []string{`Bearer realm="https://%s/v2/token",service="container_registry",scope="*"`, `Basic realm="Gitea Container Registry"`},
		wants: "Bearer", tokenPath: "/v2/token", refusal: 401, anonymous: true, absent: "NAME_UNKNOWN", denied: 401, upload: "BLOB_UPLOAD_UNKNOWN"},
	"GitLab": {challenge: []string{`Bearer realm="https://` + tokenHost + `/jwt/auth",service="container_registry",error="invalid_token"`}, wants: "Bearer", tokenPath: "/jwt/auth",
		refusal: 403, refused: `{"errors":[{"code":"DENIED"}]}`, anonymous: true, absent: "NAME_UNKNOWN", denied: 401, upload: "BLOB_UPLOAD_UNKNOWN"},
	"ECR": {challenge: []string{`Basic realm="https://%s/",service="ecr.amazonaws.com"`}, wants: "Basic", absent: "NAME_UNKNOWN", denied: 403, upload: "BLOB_UPLOAD_UNKNOWN"},
	"zot": {challenge: []string{`Negotiate, basic realm=zot, bearer realm=https://%s/zot,service=zot,scope=""`}, wants: "Bearer", tokenPath: "/zot",
		refusal: 401, absent: "NAME_UNKNOWN", denied: 403, upload: "BLOB_UPLOAD_UNKNOWN"},
	"ECR, where a password is malformed": {challenge: []string{`Basic realm="https://%s/",service="ecr.amazonaws.com"`}, wants: "Basic", refusal: 400,
		refused: `{"errors":[{"code":"DENIED","message":"a secret word of it"}]}`, absent: "NAME_UNKNOWN", denied: 403, upload: "BLOB_UPLOAD_UNKNOWN"},
	"ICR as documented": {challenge: []string{`Bearer realm="https://%s/oauth/token",service="registry",scope="repository:plant/there:pull"`}, wants: "Bearer",
		tokenPath: "/oauth/token", refusal: 400, refused: icrRefusal, absent: "NAME_UNKNOWN", denied: 403, upload: "BLOB_UPLOAD_UNKNOWN"},
	"ICR as recorded": {challenge: []string{`Bearer realm=https://%s/oauth/token, service=registry`}, wants: "Bearer",
		tokenPath: "/oauth/token", refusal: 401, refused: icrRefusal, anonymous: true, absent: "NAME_UNKNOWN", denied: 403, upload: "BLOB_UPLOAD_UNKNOWN"},
	"a public project": {challenge: []string{`Bearer realm="https://%s/auth",service="plant"`}, wants: "Bearer", tokenPath: "/auth",
		refusal: 401, anonymous: true, public: true, absent: "NAME_UNKNOWN", denied: 401, upload: "BLOB_UPLOAD_UNKNOWN"},
	"a public project of Harbor": {challenge: []string{`Bearer realm="https://%s/service/token",service="harbor-registry"`}, wants: "Bearer", tokenPath: "/service/token",
		refusal: 401, emptyHanded: true, public: true, absent: "NOT_FOUND", denied: 401, upload: "BLOB_UPLOAD_INVALID"},
}

// tokenHost gives the tokens of a registry that has another host for that.
const tokenHost = "tokens.example.com"

// running is a stand-in that answers.
type running struct {
	standIn
	server *httptest.Server
	host   string

	mu       sync.Mutex
	requests []string
	// hosts are those that were sent a login.
	hosts map[string]bool
	made  []string
	// redirects is where a request with a login is led elsewhere, by the beginning of "METHOD path"; empty for nowhere.
	redirects string
	// instead is what a request gets with 200 in the place of its answer; nil for its own.
	instead func(*http.Request) (string, bool)
	// there is a repository that was made.
	there string
}

func start(t *testing.T, s standIn) *running {
	t.Helper()
	r := &running{standIn: s, host: host + ":5000", hosts: map[string]bool{}}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.server.StartTLS()
	t.Cleanup(r.server.Close)
	return r
}

// client trusts the stand-in, whatever name it is called by.
func (r *running) client(tokenHosts ...string) *Client {
	config := r.server.Client().Transport.(*http.Transport).TLSClientConfig
	return New(r.host, &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: config.RootCAs, ServerName: host, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.server.Listener.Addr().String())
		},
	}, Dialect{TokenHosts: tokenHosts})
}

func (r *running) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	if req.Header.Get("Authorization") != "" {
		r.hosts[req.Host] = true
		if r.redirects != "" && strings.HasPrefix(req.Method+" "+req.URL.Path, r.redirects) {
			redirect(w, req)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if r.instead != nil {
		if body, chosen := r.instead(req); chosen {
			_, _ = io.WriteString(w, body)
			return
		}
	}
	if r.tokenPath != "" && req.URL.Path == r.tokenPath {
		r.giveToken(w, req)
		return
	}
	r.answer(w, req, r.userOf(req))
}

func (r *running) answer(w http.ResponseWriter, req *http.Request, user string) {
	everybody := r.public && req.Method == http.MethodGet && req.Header.Get("Authorization") != ""
	switch {
	case user == "" && !everybody:
		r.refuse(w, req)
	case req.URL.Path == "/v2/":
	case req.Method == http.MethodPatch && user != pusher:
		r.deny(w)
	case req.Method == http.MethodPatch && strings.Contains(req.URL.Path, "/blobs/uploads/") && len(req.URL.Path) > len("/v2/plant/there/blobs/uploads/"):
		answerError(w, http.StatusNotFound, r.upload, "null")
	case req.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		r.list(w, user, r.exists(req.URL.Path))
	}
}

// refuse asks for a login, or refuses the one that is shown, which some do in another way.
func (r *running) refuse(w http.ResponseWriter, req *http.Request) {
	if r.tokenPath == "" && r.refusal != 0 && req.Header.Get("Authorization") != "" {
		w.WriteHeader(r.refusal)
		_, _ = io.WriteString(w, r.refused)
		return
	}
	r.ask(w)
}

func (r *running) exists(path string) bool {
	return strings.HasPrefix(path, "/v2/plant/there/") || (r.there != "" && strings.HasPrefix(path, "/v2/"+r.there+"/"))
}

func (r *running) list(w http.ResponseWriter, user string, exists bool) {
	switch {
	case user == stranger && !r.public, !exists && r.absent == "":
		r.deny(w)
	case exists:
		_, _ = io.WriteString(w, `{"tags":["1"]}`)
	default:
		answerError(w, http.StatusNotFound, r.absent, "null")
	}
}

func (r *running) userOf(req *http.Request) string {
	user, password, basic := req.BasicAuth()
	if r.wants == "Bearer" {
		user, basic = strings.CutSuffix(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), "-token")
		if !basic || user == "nobody" {
			return ""
		}
		return user
	}
	if !basic || password != user+"-secret" {
		return ""
	}
	return user
}

func (r *running) giveToken(w http.ResponseWriter, req *http.Request) {
	user, password, shown := req.BasicAuth()
	scope := req.URL.Query().Get("scope")
	if r.makes && strings.Contains(scope, "push") {
		r.made = append(r.made, scope)
	}
	switch {
	case shown && password == user+"-secret":
	case !shown && (r.anonymous || (r.emptyHanded && scope != "")), r.emptyHanded && scope != "":
		user = "nobody"
	default:
		w.WriteHeader(r.refusal)
		_, _ = io.WriteString(w, r.refused)
		return
	}
	_, _ = fmt.Fprintf(w, `{"token":%q}`, user+"-token")
}

func (r *running) ask(w http.ResponseWriter) {
	for _, challenge := range r.challenge {
		if strings.Contains(challenge, "%") {
			challenge = fmt.Sprintf(challenge, r.host)
		}
		w.Header().Add("WWW-Authenticate", challenge)
	}
	answerError(w, http.StatusUnauthorized, "UNAUTHORIZED", "null")
}

func (r *running) deny(w http.ResponseWriter) {
	if r.denied == http.StatusUnauthorized {
		r.ask(w)
		return
	}
	answerError(w, r.denied, "DENIED", "null")
}

func (r *running) probe(t *testing.T, repository, user, password string) (Access, error) {
	t.Helper()
	return r.client(tokenHost).Probe(t.Context(), repository, user, credential.NewToken(password))
}

func TestWhatEachDialectProves(t *testing.T) {
	for name, s := range standIns {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, s)
			for user, want := range map[string]Access{
				pusher: {Pull: true, Push: true, Anonymous: s.public}, reader: {Pull: true, Anonymous: s.public}, stranger: {Pull: s.public, Anonymous: s.public},
			} {
				got, err := r.probe(t, "plant/there", user, user+"-secret")
				g.Expect(err).NotTo(HaveOccurred(), user)
				g.Expect(got).To(Equal(want), user)
			}
			got, err := r.probe(t, "", reader, reader+"-secret")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(Access{Unproven: NoRepository}))
			g.Expect(r.client(tokenHost).Answers(t.Context())).To(Succeed())
			g.Expect(r.client(tokenHost).Accepts(t.Context(), "", reader, credential.NewToken(reader+"-secret"))).To(Succeed())
			for _, request := range r.requests {
				g.Expect(request).To(Or(HavePrefix("GET "), MatchRegexp(`^PATCH /v2/plant/there/blobs/uploads/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)))
			}
		})
	}
}

// A repository that is not there is not made, and nothing is claimed of it.
func TestARepositoryThatIsNotThereIsNotMade(t *testing.T) {
	for name, s := range standIns {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, s)
			got, err := r.probe(t, "plant/absent", pusher, pusher+"-secret")
			g.Expect(err).NotTo(HaveOccurred())
			switch {
			case s.absent == "":
				g.Expect(got).To(Equal(Access{}), "it says the same of what may not be read")
			case s.wants == "Basic":
				g.Expect(got).To(Equal(Access{Pull: true, Push: true}), "nothing is asked for but the last request")
			default:
				g.Expect(got).To(Equal(Access{Pull: true, Anonymous: s.public, Unproven: RepositoryAbsent}))
			}
			g.Expect(r.made).To(BeEmpty())
		})
	}
}

func TestALoginGoesOnlyWhereItMay(t *testing.T) {
	for name, test := range map[string]struct {
		challenge  string
		tokenHosts []string
		kind       Kind
		says       string
	}{
		"another host":                     {`Bearer realm="https://tokens.example.com/t"`, nil, OtherTokenHost, "tokens.example.com"},
		"another port":                     {`Bearer realm="https://registry.example.com/t"`, nil, OtherTokenHost, "registry.example.com"},
		"a look-alike of one that may":     {`Bearer realm="https://tokens.example.com.evil.example/t"`, []string{"tokens.example.com"}, OtherTokenHost, "evil.example"},
		"another port of one that may":     {`Bearer realm="https://tokens.example.com:8443/t"`, []string{"tokens.example.com"}, OtherTokenHost, ":8443"},
		"no TLS":                           {`Bearer realm="http://registry.example.com:5000/t"`, nil, Unexpected, "without TLS"},
		"no TLS at one that may":           {`Bearer realm="http://tokens.example.com/t"`, []string{"tokens.example.com"}, Unexpected, "without TLS"},
		"an address with a user":           {`Bearer realm="https://a:b@registry.example.com:5000/t"`, nil, Unexpected, "with a user"},
		"a user that looks like the host":  {`Bearer realm="https://registry.example.com:5000@evil.example/t"`, nil, Unexpected, "with a user"},
		"a private address":                {`Bearer realm="https://10.0.0.1/t"`, []string{"10.0.0.1"}, Unexpected, "private address"},
		"a loopback address":               {`Bearer realm="https://127.0.0.1/t"`, []string{"127.0.0.1"}, Unexpected, "private address"},
		"no realm":                         {`Bearer service="x"`, nil, Unexpected, "names no address"},
		"a realm that is none":             {`Bearer realm="::"`, nil, Unexpected, "names no address"},
		"no way that is known":             {`Negotiate`, nil, Unexpected, "neither Bearer nor Basic"},
		"an empty header, as Harbor sends": {``, nil, Unexpected, "neither Bearer nor Basic"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, standIn{challenge: []string{test.challenge}, wants: "Bearer", tokenPath: "/t"})
			_, err := r.client(test.tokenHosts...).Probe(t.Context(), "plant/there", reader, credential.NewToken(reader+"-secret"))
			g.Expect(err).To(HaveField("Kind", test.kind))
			g.Expect(err).To(MatchError(ContainSubstring(test.says)))
			g.Expect(r.hosts).To(BeEmpty(), "nobody is sent the login")
		})
	}
}

// Where a token would be given by a host that may not have the login, a registry that takes the login itself gets it.
func TestBasicIsTakenWhereTheRealmIsNotAcceptable(t *testing.T) {
	g := NewWithT(t)
	r := start(t, standIn{challenge: []string{`Bearer realm="https://evil.example/t", Basic realm="x"`}, wants: "Basic", denied: 403, absent: "NAME_UNKNOWN", upload: "BLOB_UPLOAD_UNKNOWN"})
	got, err := r.client().Probe(t.Context(), "plant/there", pusher, credential.NewToken(pusher+"-secret"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(Access{Pull: true, Push: true}))
	g.Expect(r.hosts).To(HaveLen(1))
	g.Expect(r.hosts).To(HaveKey(r.host))
}

func TestAnAnswerThatIsNoRegistrysIsNoAnswer(t *testing.T) {
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>blocked</html>")
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		kind   Kind
		says   string
		retry  time.Duration
	}{
		"a page":             {page(200), Unexpected, "a page of the web", 0},
		"a firewall":         {page(403), Unexpected, "answered 403", 0},
		"no registry":        {status(404), Unexpected, "answered 404", 0},
		"a redirect":         {redirect, Unexpected, "it leads to elsewhere.example.com, and redirects are not followed", 0},
		"too many requests":  {retryAfter(429, "7"), Unavailable, "answered 429", 7 * time.Second},
		"out of service":     {retryAfter(503, "86400"), Unavailable, "answered 503", 5 * time.Minute},
		"a wait in words":    {retryAfter(503, "soon"), Unavailable, "answered 503", 0},
		"a wait before now":  {retryAfter(429, "-1"), Unavailable, "answered 429", 0},
		"a wait beyond time": {retryAfter(429, "9223372036854775807"), Unavailable, "answered 429", 5 * time.Minute},
		"a wait beyond that": {retryAfter(429, "99999999999999999999"), Unavailable, "answered 429", 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := httptest.NewTLSServer(test.answer)
			t.Cleanup(server.Close)
			r := &running{server: server, host: host}
			err := r.client().Answers(t.Context())
			g.Expect(err).To(And(HaveField("Kind", test.kind), HaveField("RetryAfter", test.retry)))
			var failure *Error
			g.Expect(errors.As(err, &failure)).To(BeTrue())
			g.Expect(failure.Busy()).To(Equal(test.kind == Unavailable))
			g.Expect(err).To(MatchError(ContainSubstring(test.says)))
		})
	}
}

func retryAfter(code int, wait string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", wait)
		w.WriteHeader(code)
	}
}

func TestARegistryThatAsksNobody(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(server.Close)
	r := &running{server: server, host: host}
	for _, repository := range []string{"", "plant/there"} {
		got, err := r.client().Probe(t.Context(), repository, reader, credential.NewToken(reader+"-secret"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(Access{Pull: true, Anonymous: true, Unproven: NoRepository}))
	}
}
