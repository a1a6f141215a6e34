// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// L: tokens are in the operator's hands at each level of its log, when a request, a warning or the registry repeats them,
// when the code panics that has them, and when the process dies with a dump. They show in nothing that it wrote, nor in
// events, metrics or any object.
func TestATokenInHandShowsNowhere(t *testing.T) {
	suite := NewSuite(t, "L", 32)
	atEachLevel(suite)
	repeated(t, suite)
	panicking(t, suite)
	dumped(t, suite)
	atTheRegistry(suite)
}

// spread is most of what the operator does with tokens.
var spread = &Workload{Name: "install and rotate", Prepare: beginWithCopies, Installs: true, Steps: []func(*Case){create, rotate}}

// encodings are of the log.
var encodings = map[string]string{"JSON": "--zap-encoder=json", "text": "--zap-encoder=console", "development": "--zap-devel"}

// speech is what the log holds from a level on, so that a level that is asked for is seen to be had.
var speech = map[string]int{"Starting Controller": 0, "Event occurred": 1, "Listing and watching": 3, "Reconcile done, requeueing": 5}

// atEachLevel has the binary work, and be scraped, at each level and in each encoding of its log.
func atEachLevel(suite *Suite) {
	levels := map[string]int{"error": -1, "info": 0, "debug": 1}
	for level := 1; level <= 10; level++ {
		levels[strconv.Itoa(level)] = level
	}
	for encoding, flag := range encodings {
		for level, n := range levels {
			suite.Run("the log as "+encoding+" at level "+level, func(t *testing.T) {
				c := NewCase(t, world, spread)
				address, scraper := c.scraped()
				process := c.NewProcess(nil, flag, "--zap-log-level="+level, "--metrics-bind-address="+address)
				process.Work()
				page := c.scrape(address, scraper, http.StatusOK)
				sinks := c.seen()
				process.End()
				for words, from := range speech {
					if said := strings.Contains(c.Told.String(), words); said != (n >= from) {
						t.Errorf("the log says %q: %t", words, said)
					}
				}
				c.Judge(nil)
				maps.Copy(sinks, c.sinks())
				sinks["its metrics"] = page
				c.judgeSinks(sinks, scraper)
			})
		}
	}
	suite.Run("an error repeats the token of a scrape", func(t *testing.T) {
		c := NewCase(t, world, NoOp)
		address, scraper := c.scraped()
		process := c.NewProcess(While(func(call *Call) bool { return call.Resource == "tokenreviews" },
			Echo(http.StatusInternalServerError, metav1.StatusReasonInternalError)), "--metrics-bind-address="+address)
		process.Work()
		page := c.scrape(address, scraper, http.StatusInternalServerError)
		process.End()
		c.Judge(nil)
		sinks := c.sinks()
		sinks["its metrics"] = page
		c.judgeSinks(sinks, scraper)
	})
}

// scraped is an address for metrics, and the token of one who may read them.
func (c *Case) scraped() (address, token string) {
	c.T.Helper()
	listener, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", "127.0.0.1:0")
	c.must(err, "find a free address")
	c.must(listener.Close(), "free an address")
	scraper, err := c.World.Env.ServiceAccount(c.ctx, operatorNamespace, "scraper")
	c.must(err, "make a scraper")
	c.must(client.IgnoreAlreadyExists(c.World.Admin.Create(c.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "scraper"}},
	})), "let the scraper read")
	return listener.Addr().String(), scraper.BearerToken
}

// scrape is what is answered to one who reads metrics, once the answer has a status.
func (c *Case) scrape(address, token string, status int) (page string) {
	c.T.Helper()
	scraper := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	c.await("answer to a scrape", func() bool {
		request, err := http.NewRequestWithContext(c.ctx, http.MethodGet, "https://"+address+"/metrics", http.NoBody)
		c.must(err, "make a request")
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := scraper.Do(request)
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		content, err := io.ReadAll(answer.Body)
		page = string(content)
		return err == nil && answer.StatusCode == status
	})
	return page
}

var (
	// publishes are the writes of Secrets for consumers, and carries all calls with a token in the request or the answer.
	publishes = func(c *Call) bool { return c.Writes() && isForConsumers(c) }
	carries   = func(c *Call) bool { return c.Mints() || isForConsumers(c) }
)

func isForConsumers(c *Call) bool {
	return c.Resource == "secrets" && (strings.HasSuffix(c.Name, "-publish") || strings.HasSuffix(c.Name, "-pull"))
}

// echoes are the ways in which the API server, or what is before it, gives a token back where none is expected.
var echoes = []namedFault{
	{"forbidden", Echo(403, metav1.StatusReasonForbidden), carries},
	{"a conflict", Echo(409, metav1.StatusReasonConflict), publishes},
	{"invalid", Echo(422, metav1.StatusReasonInvalid), carries},
	{"an internal error", Echo(500, metav1.StatusReasonInternalError), carries},
	{"unavailable", Echo(503, metav1.StatusReasonServiceUnavailable), carries},
	{"an error in plain text", EchoText, carries},
	{"an answer that is no object", EchoAlone, carries},
	{"half an answer", Truncate, carries},
	{"a warning", EchoWarning, carries},
}

// repeated has each call that carries a token answered with what repeats it.
func repeated(t *testing.T, suite *Suite) {
	t.Helper()
	meetOnce(t, suite, []*Workload{Install, Rotate}, echoes, " repeats ", func(c *Case, _ *Call, _ namedFault) {
		c.Judge(OneLost)
		c.judgeSinks(c.sinks())
	})
}

// panics are how code fails that has a token in hand.
var panics = map[string]func(*Call){
	"an index beyond the end": func(c *Call) { _ = c.Body[len(c.Body):][0] },
	"a type that it is not":   func(c *Call) { _ = any(c.Body).(error) },
	"the tokens themselves":   func(c *Call) { panic(c.wire.Issued()) },
}

// panicking has the code panic that has just got a token, or is about to write one.
func panicking(t *testing.T, suite *Suite) {
	drivers := map[string]func(*Case, Plan) *Wire{
		"a pass": func(c *Case, plan Plan) *Wire {
			life := c.NewLife(plan)
			life.Panics = true
			life.Run()
			return life.Wire
		},
		"a manager": func(c *Case, plan Plan) *Wire {
			m := c.NewManager(plan)
			m.Work()
			m.End()
			return m.Wire
		},
	}
	for _, workload := range []*Workload{Install, Rotate} {
		for _, call := range workload.Reference(t, world).Calls {
			if !call.Mints() && !publishes(call) {
				continue
			}
			for how, fails := range panics {
				for driver, work := range drivers {
					suite.Run(workload.Name+"/"+driver+" panics with "+how+" at "+call.Signature, func(t *testing.T) {
						c := NewCase(t, world, workload)
						if work(c, At(call.Signature, Panic(fails))).Fired() != 1 || !strings.Contains(c.Told.String(), "Observed a panic") {
							t.Fatal("nothing panicked")
						}
						c.Judge(OneLost)
						c.judgeSinks(c.sinks())
					})
				}
			}
		}
	}
}

// dumped has the binary die by a signal for which Go dumps the stacks of all goroutines, while it writes a Secret for consumers.
func dumped(t *testing.T, suite *Suite) {
	for _, workload := range []*Workload{Install, Rotate} {
		for _, call := range workload.Reference(t, world).Calls {
			if !publishes(call) {
				continue
			}
			for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
				suite.Run(workload.Name+"/"+signal.String()+" at "+call.Signature, func(t *testing.T) {
					c, held := NewCase(t, world, workload), NewHeld()
					defer held.Release()
					first := c.NewProcess(At(call.Signature, held.Fault))
					c.await("call to hold", held.HasReached)
					// A goroutine that runs has no stack in the dump: it has to come to wait for its answer.
					c.pause(20 * often)
					c.must(first.process.Signal(signal), "signal the process")
					c.await("end of the process", func() bool { return isClosed(first.Ended()) })
					if dump := c.Told.String(); !strings.Contains(dump, "\ngoroutine ") || !strings.Contains(dump, "(*EdgeRegistryReconciler)") {
						t.Error("the stack of the pass is not in the dump")
					}
					held.Release()
					<-held.Done
					second := c.NewProcess(nil)
					second.Work()
					second.Stop()
					c.Judge(OneLost)
					c.judgeSinks(c.sinks())
				})
			}
		}
	}
}

// confusions are the ways in which a registry gives a login back.
var confusions = map[string]func(http.ResponseWriter, string){
	"refuses": func(w http.ResponseWriter, token string) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,error=%q", token, token))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, token, token)
	},
	"fails": func(w http.ResponseWriter, token string) { http.Error(w, token, http.StatusInternalServerError) },
	"gives no token": func(w http.ResponseWriter, token string) {
		_, _ = fmt.Fprintf(w, `{"token":{%q:1}}`, token)
	},
	"redirects": func(w http.ResponseWriter, token string) {
		w.Header().Set("Location", "https://elsewhere.test/"+token)
		w.WriteHeader(http.StatusFound)
	},
	"speaks no HTTP": func(w http.ResponseWriter, token string) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(connection, token+"\r\n\r\n")
			_ = connection.Close()
		}
	},
}

// atTheRegistry has the registry repeat the token that the operator tries there.
func atTheRegistry(suite *Suite) {
	for _, workload := range []*Workload{
		{Name: "install at a private Route", Prepare: privateRoute, Installs: true, Steps: []func(*Case){create}},
		{Name: "rotate at a private Route", Prepare: privateRoute, Steps: []func(*Case){rotate}},
	} {
		for how, answer := range confusions {
			suite.Run(workload.Name+"/the registry "+how+" and repeats the login", func(t *testing.T) {
				c := NewCase(t, world, workload)
				life := c.NewLife(nil)
				straight := life.DialContext
				confused, asked := c.confused(answer)
				life.DialContext = confused
				c.await("login", func() bool {
					wait, _ := life.Pass()
					c.Clock.SetTime(c.Clock.Now().Add(wait))
					return isClosed(asked)
				})
				life.DialContext = straight
				// A renewal that failed is not tried again before.
				c.Reload()
				c.Clock.SetTime(c.Clock.Now().Add(c.Edge.Spec.Verification.Interval.Duration))
				life.Run()
				c.Judge(OneLost)
				c.judgeSinks(c.sinks())
			})
		}
	}
}

// confused connects to a registry that answers each login in its own way, and has the certificate of the private Route.
// asked is closed when there was one.
func (c *Case) confused(answer func(http.ResponseWriter, string)) (dial func(context.Context, string, string) (net.Conn, error), asked chan struct{}) {
	c.T.Helper()
	host, once := hostOf(c.route, "a"), sync.Once{}
	asked = make(chan struct{})
	registry := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, found := r.BasicAuth()
		if !found {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", "https://"+host+"/openshift/token"))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, token)
		once.Do(func() { close(asked) })
	}))
	registry.TLS = &tls.Config{Certificates: []tls.Certificate{c.ca.Leaf(host)}}
	registry.Config.ErrorLog = log.New(io.Discard, "", 0)
	registry.StartTLS()
	c.T.Cleanup(registry.Close)
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, registry.Listener.Addr().String())
	}, asked
}
