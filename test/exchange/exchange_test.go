// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

const camera = "plant/camera_1.0.0_amd64"

// world is a stand-in with two users, an administrator and a node.
type world struct {
	*Exchange
	t      *testing.T
	client *http.Client
	// dir is where hzn runs.
	dir string
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	x := Start(o)
	t.Cleanup(x.Close)
	for _, name := range []string{"alice", "bob", "boss"} {
		x.AddUser("plant", name, name+"-password", name == "boss")
	}
	x.AddUser("other", "eve", "eve-password", false)
	x.AddUser("other", "chief", "chief-password", true)
	x.AddNode("plant", "node", "node-password", "alice", camera)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x.Roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &world{Exchange: x, t: t, client: &http.Client{Transport: transport}}
}

// ask sends a request as a user and returns the status and the answer.
func (w *world) ask(who, method, path, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	if who != "" {
		_, name, _ := strings.Cut(who, "/")
		req.SetBasicAuth(who, name+"-password")
	}
	resp, err := w.client.Do(req)
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	return resp.StatusCode, string(bytes.TrimSpace(got))
}

const (
	alice, bob, boss = "plant/alice", "plant/bob", "plant/boss"
	services         = "/orgs/plant/services"
	one              = services + "/camera_1.0.0_amd64"
	auths            = one + "/dockauths"
	described        = `{"label":"camera","url":"camera","version":"1.0.0","arch":"amd64","public":false,"deployment":"{}"}`
	entry            = `{"registry":"h","username":"u","token":"t"}`
)

func TestTheCallsAnswerAsTheExchangeDoes(t *testing.T) {
	w := newWorld(t, Options{})
	for _, step := range []struct {
		who, method, path, body string
		status                  int
		want                    string
	}{
		{"", "GET", "/admin/version", "", 200, "^2.154.0$"},
		{"", "GET", services, "", 401, "invalid-credentials"},
		{"plant/nobody", "GET", services, "", 401, "invalid-credentials"},
		{alice, "GET", "/nothing", "", 404, "unrecognized route"},
		{alice, "GET", services, "", 404, `^{"lastIndex":0,"services":{}}$`},
		{alice, "GET", one, "", 404, "not-found"},
		{alice, "PUT", one, described, 404, "not-found"},
		{alice, "PATCH", one, `{"imageStore":{}}`, 404, "not-found"},
		{alice, "GET", auths, "", 404, `^\[\]$`},
		{alice, "POST", auths, entry, 500, "internal_error"},
		{alice, "POST", services, `{"url":"x"}`, 400, "invalid-input"},
		{alice, "POST", services, described, 201, `"ok"`},
		{alice, "POST", services, described, 403, "already-exists"},
		{bob, "PUT", one, described, 403, "access-denied"},
		{alice, "PUT", services + "/radio_1.0.0_amd64", described, 400, "invalid-input"},
		{alice, "GET", services + "?owner=plant%2Falice&url=cam%25", "", 200, camera},
		{alice, "GET", services + "?owner=plant%2Fbob", "", 404, "{}"},
		{alice, "GET", one + "?attribute=label", "", 200, `{"attribute":"label","value":"camera"}`},
		{alice, "POST", auths, entry, 201, "dockauth resource updated"},
		{alice, "POST", auths, entry, 201, "dockauth resource updated"},
		{alice, "POST", auths, `{"registry":"h","token":"t2"}`, 201, "dockauth 2 added"},
		{alice, "GET", auths, "", 200, `^\[{"dockAuthId":1,.*"dockAuthId":2,"registry":"h","username":"token"`},
		{alice, "PUT", auths + "/2", `{"registry":"h","token":"t"}`, 201, "dockauth 2 updated"},
		{alice, "PUT", auths + "/9", entry, 404, `"code":"ok"`},
		{alice, "PUT", auths + "/x", entry, 400, "invalid-input"},
		{bob, "DELETE", auths + "/1", "", 403, "access-denied"},
		{"plant/node", "DELETE", auths + "/1", "", 403, "access-denied"},
		{"plant/node", "GET", auths + "/1", "", 200, `"token":"t"`},
		{"other/eve", "GET", auths, "", 403, "access-denied"},
		{alice, "DELETE", auths + "/1", "", 204, "^$"},
		{alice, "DELETE", auths + "/1", "", 404, "not-found"},
		{alice, "PUT", one, described, 201, "service updated"},
		{alice, "GET", auths, "", 200, "dockAuthId"},
		{boss, "DELETE", auths, "", 204, ""},
		{boss, "DELETE", auths, "", 404, "not-found"},
		{alice, "PUT", one + "/keys/default.public.key", "PEM", 201, "ok"},
		{alice, "GET", "/orgs/plant/patterns/p", "", 404, `"patterns":{}`},
		{alice, "POST", "/orgs/plant/patterns/p", "{}", 201, "ok"},
		{alice, "POST", "/orgs/plant/patterns/p", "{}", 403, "already-exists"},
		{alice, "PUT", "/orgs/plant/patterns/p", "{}", 201, "ok"},
		{alice, "POST", "/orgs/plant/business/policies/p", "{}", 201, "ok"},
		{alice, "GET", "/orgs/plant/deployment/policies/p", "", 200, "plant/p"},
		{alice, "PUT", one + "/policy", "{}", 201, "ok"},
		{alice, "GET", "/orgs/plant/users/alice", "", 200, "plant/alice"},
		{alice, "GET", "/orgs/plant/users/bob", "", 403, "access-denied"},
		{alice, "DELETE", one, "", 204, ""},
		{alice, "DELETE", one, "", 404, "not-found"},
	} {
		g := NewWithT(t)
		status, body := w.ask(step.who, step.method, step.path, step.body)
		g.Expect(status).To(Equal(step.status), "%s %s %s: %s", step.who, step.method, step.path, body)
		g.Expect(body).To(MatchRegexp(step.want), "%s %s %s", step.who, step.method, step.path)
	}
}

func TestAPatchChangesTheFirstAttributeAlone(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, Options{})
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	for _, tt := range []struct {
		body   string
		status int
	}{
		{`{"imageStore":{"a":1},"label":"new"}`, 201},
		{`{"imageStore":{"b":2}}`, 201},
		{`{"url":"x","imageStore":{}}`, 400},
		{`{"clusterDeployment":"x"}`, 400},
		{`{}`, 400},
		{`nothing`, 400},
	} {
		status, _ := w.ask(alice, "PATCH", one, tt.body)
		g.Expect(status).To(Equal(tt.status), tt.body)
	}
	g.Expect(w.ImageStore(camera)).To(Equal(map[string]any{"b": 2.0}))
	_, body := w.ask(alice, "GET", one, "")
	g.Expect(body).To(ContainSubstring(`"label":"new"`))
	w.Publish(bob, Definition{URL: "camera", Image: "h/camera:2"})
	g.Expect(w.ImageStore(camera)).To(BeEmpty(), "a publish clears it")
	_, body = w.ask(bob, "GET", one, "")
	g.Expect(body).To(ContainSubstring(`"owner":"plant/bob"`))
}

func TestAWriteOfALoginDoesNotChangeItsService(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, Options{})
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	updated := func() string {
		_, body := w.ask(alice, "GET", one+"?attribute=lastUpdated", "")
		return body
	}
	before := updated()
	w.AddLogin(camera, "h", "u", "t")
	g.Expect(updated()).To(Equal(before))
	_, _ = w.ask(alice, "PATCH", one, `{"imageStore":{}}`)
	g.Expect(updated()).NotTo(Equal(before))
}

func TestWhoSeesWhichServices(t *testing.T) {
	for _, seesAll := range []bool{false, true} {
		g := NewWithT(t)
		w := newWorld(t, Options{SeesAll: seesAll})
		w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
		w.Publish(bob, Definition{URL: "radio", Image: "h/radio:1"})
		w.Publish(bob, Definition{URL: "open", Image: "h/open:1", Public: true})
		w.AddLogin("plant/radio_1.0.0_amd64", "h", "u", "t")
		for who, want := range map[string]int{alice: 2, bob: 2, boss: 3, "plant/node": 3, "other/eve": 1} {
			if seesAll && who != "other/eve" {
				want = 3
			}
			_, body := w.ask(who, "GET", services, "")
			var got struct{ Services map[string]any }
			g.Expect(json.Unmarshal([]byte(body), &got)).To(Succeed())
			g.Expect(got.Services).To(HaveLen(want), "%s, all: %v", who, seesAll)
		}
		status, _ := w.ask(alice, "GET", services+"/radio_1.0.0_amd64/dockauths", "")
		g.Expect(status).To(Equal(200), "logins of services that are hidden are not")
		status, _ = w.ask("other/chief", "PATCH", services+"/open_1.0.0_amd64", `{"imageStore":{}}`)
		g.Expect(status).To(Equal(201), "an administrator of another organisation writes to public services")
	}
}

func TestAnOwnerIsRememberedForAWhile(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, Options{OwnerTTL: 90 * time.Minute})
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	patch := func(who string) int {
		status, _ := w.ask(who, "PATCH", one, `{"imageStore":{}}`)
		return status
	}
	g.Expect(patch(alice)).To(Equal(201))
	w.Delete(camera)
	w.Publish(bob, Definition{URL: "camera", Image: "h/camera:1"})
	g.Expect(patch(bob)).To(Equal(403))
	w.Clock.Advance(90 * time.Minute)
	g.Expect(patch(bob)).To(Equal(201))
	g.Expect(patch(alice)).To(Equal(403))
}

func TestChangesAreKeptForAWhileAndAreAHeartbeat(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, Options{})
	search := func(who string) (int, string) {
		return w.ask(who, "POST", "/orgs/plant/search/nodes/service",
			`{"orgid":"plant","serviceURL":"camera","serviceVersion":"1.0.0","serviceArch":"amd64"}`)
	}
	_, body := search(alice)
	g.Expect(body).To(Equal(`{"nodes":[["plant/node",null]]}`))
	status, body := search(bob)
	g.Expect(status).To(Equal(404), "a user sees its own nodes alone")
	g.Expect(body).To(Equal(`{"nodes":[]}`))

	changes := func(who string) []string {
		status, body := w.ask(who, "POST", "/orgs/plant/changes", `{"changeId":0,"maxRecords":100}`)
		g.Expect(status).To(Equal(201))
		var got struct {
			Changes []struct{ Resource, Operation string }
		}
		g.Expect(json.Unmarshal([]byte(body), &got)).To(Succeed())
		var found []string
		for _, c := range got.Changes {
			found = append(found, c.Resource+" "+c.Operation)
		}
		return found
	}
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	w.AddLogin(camera, "h", "u", "t")
	_, _ = w.ask(alice, "PATCH", one, `{"imageStore":{}}`)
	want := []string{"service created/modified", "servicedockauths created", "service modified"}
	g.Expect(changes(alice)).To(Equal(want))
	_, body = search(alice)
	g.Expect(body).To(ContainSubstring("null"), "a user's call is no heartbeat of a node")
	g.Expect(changes("plant/node")).To(Equal(want))
	_, body = search(boss)
	g.Expect(body).To(MatchRegexp(`"plant/node","2026-`))
	w.Clock.Advance(4 * time.Hour)
	g.Expect(changes(alice)).To(BeEmpty())

	status, body = w.ask(alice, "GET", "/orgs/plant/search/nodes/error/all", "")
	g.Expect(status).To(Equal(200))
	g.Expect(body).To(Equal(`{"nodeErrors":[]}`))
	w.FailToLoad("plant/node", camera)
	_, body = w.ask(alice, "GET", "/orgs/plant/search/nodes/error/all", "")
	g.Expect(body).To(And(ContainSubstring("error_image_load"), ContainSubstring("camera")))
}

func TestTimesAreWrittenAsJavaDoes(t *testing.T) {
	for nanos, want := range map[int]string{
		0: "2026-03-01T08:09:10Z", 120_000_000: "2026-03-01T08:09:10.120Z", 123_400_000: "2026-03-01T08:09:10.123400Z", 1: "2026-03-01T08:09:10.000000001Z",
	} {
		at := time.Date(2026, time.March, 1, 8, 9, 10, nanos, time.UTC)
		g := NewWithT(t)
		g.Expect((&Exchange{}).stamp(at)).To(Equal(want))
		g.Expect((&Exchange{options: Options{OldDates: true}}).stamp(at)).To(Equal(want + "[UTC]"))
	}
}

func TestFaultsMeetTheCallsThatTheyAreFor(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, Options{})
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	post := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+auths, strings.NewReader(entry))
		g.Expect(err).NotTo(HaveOccurred())
		req.SetBasicAuth(alice, "alice-password")
		resp, err := w.client.Do(req)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	done := 0
	for _, tt := range []struct {
		name         string
		fault        standin.Fault
		want, stored int
	}{
		{"before", standin.Fault{}, 0, 0},
		{"another call", standin.Fault{Match: standin.ToEnd("DELETE", "/dockauths")}, 201, 1},
		{"after", standin.Fault{Commit: true}, 0, 1},
		{"an error after", standin.Fault{Commit: true, Status: 500}, 500, 1},
		{"a refusal", standin.Fault{Match: standin.ToEnd("POST", "/dockauths"), Status: 403}, 403, 0},
		{"something in between", standin.Fault{Pass: true, Do: func() { done++ }}, 201, 1},
		{"a later one", standin.Fault{Match: Writes, Skip: 1, Status: 500}, 201, 1},
	} {
		_, _ = w.ask(boss, "DELETE", auths, "")
		w.Heal()
		w.Inject(&tt.fault)
		g.Expect(post()).To(Equal(tt.want), tt.name)
		w.Heal()
		g.Expect(w.Logins(camera)).To(HaveLen(tt.stored), tt.name)
	}
	g.Expect(done).To(Equal(1))
	w.Forget()
	_, _ = w.ask(alice, "GET", auths+"?x=1", "")
	g.Expect(w.Calls()).To(Equal([]standin.Call{{Method: "GET", Path: "services/camera_1.0.0_amd64/dockauths", Query: "x=1", Status: 200}}))
	w.Migrate(true)
	status, _ := w.ask(alice, "GET", services, "")
	g.Expect(status).To(Equal(403))
}

func TestANodeKeepsTheRulesOfTheAgent(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	w := newWorld(t, Options{})
	w.Publish(alice, Definition{URL: "camera", Image: "h/camera:1"})
	w.Publish(alice, Definition{URL: "radio", Image: "h/radio:1"})
	agent, err := w.NewAgent(ctx, "plant", "node", "node-password")
	g.Expect(err).NotTo(HaveOccurred())
	pull := func() Pulled {
		p, err := agent.Pull(ctx, camera, "h", func(_, token string) bool { return token == "good" })
		g.Expect(err).NotTo(HaveOccurred())
		return p
	}
	poll := func() { g.Expect(agent.Poll(ctx)).To(Succeed()) }
	g.Expect(pull()).To(Equal(Pulled{}))
	w.AddLogin(camera, "h", "u", "stale")
	w.AddLogin(camera, "h:443", "u", "good")
	id := w.AddLogin(camera, "h", "u", "good")
	poll()
	g.Expect(pull()).To(Equal(Pulled{}), "that there was none is kept too, and a change of the logins drops nothing")
	_, _ = w.ask(alice, "PATCH", services+"/radio_1.0.0_amd64", `{"imageStore":{}}`)
	poll()
	g.Expect(pull()).To(Equal(Pulled{}), "another service changed")
	_, _ = w.ask(alice, "PATCH", one, `{"imageStore":{}}`)
	g.Expect(pull()).To(Equal(Pulled{}), "it has not asked yet")
	before := w.Clock.Now()
	poll()
	g.Expect(pull()).To(Equal(Pulled{OK: true, ID: id, Waited: 30 * time.Second}))
	g.Expect(w.Clock.Now()).To(BeTemporally(">=", before.Add(30*time.Second)))

	_, _ = w.ask(boss, "DELETE", auths, "")
	_, _ = w.ask(alice, "PATCH", one, `{"imageStore":{}}`)
	w.Clock.Advance(5 * time.Hour)
	poll()
	g.Expect(pull().OK).To(BeTrue(), "who was silent for longer than changes are kept misses them")
	agent.Restart()
	g.Expect(pull()).To(Equal(Pulled{}))
}
