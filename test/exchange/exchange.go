// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// Version is the version that the stand-in says it has, without OldDates.
const Version = "2.154.0"

// Options of Start. The zero value is the newest build.
type Options struct {
	// SeesAll: a plain user sees every service of its organisation, as before 2.154; otherwise its own and public ones
	// (route/service/Services.scala).
	SeesAll bool
	// OldDates: times end in [UTC], as in old builds.
	OldDates bool
	// OwnerTTL is how long an owner is remembered that another replica has replaced, 5400 s there
	// (api.cache.resourcesTtlSeconds); 0 for one replica, which knows.
	OwnerTTL time.Duration
	// ChangesTTL is how long a change is kept (api.resourceChanges.ttl); default four hours.
	ChangesTTL time.Duration
}

// Exchange is a running stand-in.
type Exchange struct {
	// URL is its address as HZN_EXCHANGE_URL has it: https, and ending in /v1.
	URL string
	// CA is its certificate, PEM, and Roots a pool that holds it.
	CA    []byte
	Roots *x509.CertPool
	Clock *Clock
	// Journal holds the calls that it was asked, and what goes wrong with them.
	*standin.Journal

	options Options
	server  *httptest.Server
	mux     *http.ServeMux

	mu        sync.Mutex
	users     map[string]*user
	nodes     map[string]*node
	agbots    map[string]string
	services  map[string]*service
	auths     []*auth
	lastAuth  int
	documents map[string]json.RawMessage
	changes   []change
	lastID    int64
	owners    map[string]cachedOwner
	migrating bool
}

// user is a user of an organisation.
type user struct {
	password string
	admin    bool
	// keys are its API keys, and iam a key that IBM's IAM knows as this user's.
	keys []string
	iam  string
}

// node is an edge node.
type node struct {
	token, owner  string
	lastHeartbeat string
	// runs are the services that its status names, and failed those whose image it could not load, as it last reported at a
	// time.
	runs, failed []string
	failedAt     time.Time
}

// Start runs a stand-in until Close.
func Start(o Options) *Exchange {
	if o.ChangesTTL == 0 {
		o.ChangesTTL = 4 * time.Hour
	}
	e := &Exchange{
		Clock: newClock(), Journal: standin.NewJournal(callOf), options: o, mux: http.NewServeMux(),
		users: map[string]*user{}, nodes: map[string]*node{}, agbots: map[string]string{}, services: map[string]*service{},
		documents: map[string]json.RawMessage{}, owners: map[string]cachedOwner{},
	}
	e.routes()
	e.server = httptest.NewUnstartedServer(e)
	e.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	e.server.StartTLS()
	e.URL = e.server.URL + "/v1"
	e.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.server.Certificate().Raw})
	e.Roots = x509.NewCertPool()
	e.Roots.AddCert(e.server.Certificate())
	return e
}

// Close ends it.
func (e *Exchange) Close() {
	e.server.CloseClientConnections()
	e.server.Close()
}

func (e *Exchange) routes() {
	e.mux.HandleFunc("GET /v1/admin/version", e.version)
	e.handle("GET /v1/orgs/{org}", e.getOrg)
	e.handle("GET /v1/orgs/{org}/users/{user}", e.getUser)
	e.serviceRoutes()
	e.dockauthRoutes()
	e.changeRoutes()
	e.searchRoutes()
	e.documentRoutes()
	e.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, notFound("unrecognized route")) })
}

// handle serves a route to whoever shows a login. What it calls runs alone.
func (e *Exchange) handle(pattern string, serve func(caller, *http.Request) reply) {
	e.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		who, known := e.authenticate(r)
		switch {
		case e.migrating:
			fail(w, denied("access denied - in the process of DB migration"))
		case !known:
			fail(w, reply{http.StatusUnauthorized, answer{"invalid-credentials", "invalid.credentials"}})
		default:
			fail(w, serve(who, r))
		}
	})
}

// reply is a status and what is sent with it.
type reply struct {
	status int
	body   any
}

// answer is the body of whatever is no resource.
type answer struct {
	Code string `json:"code"`
	Msg  string `json:"msg"`
}

func notFound(msg string) reply { return reply{http.StatusNotFound, answer{"not-found", msg}} }
func denied(msg string) reply   { return reply{http.StatusForbidden, answer{"access-denied", msg}} }
func invalid(msg string) reply  { return reply{http.StatusBadRequest, answer{"invalid-input", msg}} }
func created(msg string) reply  { return reply{http.StatusCreated, answer{"ok", msg}} }

func fail(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	if r.status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(r.body)
	}
}

func (e *Exchange) version(w http.ResponseWriter, _ *http.Request) {
	version := Version
	if e.options.OldDates {
		version = "2.87.0"
	}
	_, _ = io.WriteString(w, version+"\n")
}

// AddUser adds a user, or an administrator of the organisation.
func (e *Exchange) AddUser(org, name, password string, admin bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users[org+"/"+name] = &user{password: password, admin: admin}
}

// AddKey gives a user an API key: one of the Exchange's own, or one of IBM's.
func (e *Exchange) AddKey(org, name, key string, iam bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if u := e.users[org+"/"+name]; iam {
		u.iam = key
	} else {
		u.keys = append(u.keys, key)
	}
}

// AddNode adds a node of a user's that runs services, as org/id.
func (e *Exchange) AddNode(org, name, token, owner string, runs ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nodes[org+"/"+name] = &node{token: token, owner: org + "/" + owner, runs: runs}
}

// AddAgbot adds an agreement bot.
func (e *Exchange) AddAgbot(org, name, token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.agbots[org+"/"+name] = token
}

// Migrate has the Exchange refuse every call, as during a migration of its database, or ends that.
func (e *Exchange) Migrate(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.migrating = on
}

// State returns what is stored, by service: its record as it would be sent, and its logins in their order. Tests compare it
// byte by byte. Nothing of it is to be printed.
func (e *Exchange) State() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	state := map[string]string{}
	for id, s := range e.services {
		record, _ := json.Marshal(s)
		logins, _ := json.Marshal(e.authsOf(id))
		state[id] = string(record) + "\n" + string(logins)
	}
	for _, path := range slices.Sorted(maps.Keys(e.documents)) {
		state[path] = string(e.documents[path])
	}
	return state
}
