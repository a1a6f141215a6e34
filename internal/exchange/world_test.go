// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

const (
	org      = "plant"
	alice    = org + "/alice"
	host     = "registry.example.com"
	prefix   = "edge"
	image    = host + "/" + prefix + "/camera@sha256:0123"
	password = "alice-s-long-password"

	older   = "factory.pull.1.aaaaaaaaaaaaaaaa"
	newer   = "factory.pull.2.bbbbbbbbbbbbbbbb"
	pushing = "factory.push.1.cccccccccccccccc"
	dead    = "factory.dead.1.dddddddddddddddd"
	cloned  = "factory.clone.1.eeeeeeeeeeeeeeee"
	another = "elsewhere.pull.1.ffffffffffffffff"
	user    = "edge-puller.edge"
)

// world is a stand-in with an organisation, and a process that keeps it.
type world struct {
	*exchangetest.Exchange
	t       *testing.T
	shared  *Exchanges
	client  *Client
	syncer  *Syncer
	options Options
}

func newWorld(t *testing.T, o exchangetest.Options) *world {
	t.Helper()
	x := exchangetest.Start(o)
	t.Cleanup(x.Close)
	x.AddUser(org, "alice", password, false)
	x.AddUser(org, "bob", "bob-s-long-password", false)
	x.AddUser(org, "boss", "boss-s-long-password", true)
	w := &world{Exchange: x, t: t, options: Options{Roots: x.Roots, Proxy: noProxy}}
	w.restart()
	return w
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// restart is a new process, which knows of nothing.
func (w *world) restart() {
	w.shared = NewExchanges(w.Clock.Now)
	w.client = w.as(alice, password)
	w.syncer = NewSyncer(w.shared)
}

// as is a client of the process for a user.
func (w *world) as(user, password string) *Client {
	w.t.Helper()
	login, problems := ParseLogin(map[string]string{KeyURL: w.URL, KeyOrg: org, KeyAuth: user + ":" + password})
	NewWithT(w.t).Expect(problems).To(BeEmpty())
	c := w.shared.Client(login, w.options)
	w.t.Cleanup(c.Close)
	return c
}

func wanted(token string) Wanted {
	return Wanted{
		Host: host, Prefix: prefix, User: user, Token: credential.NewToken(token),
		Marker: Marker{Name: "factory", UID: "0a1b", Generation: 2},
	}
}

// issuer is whose tokens begin with a name.
func issuer(name string) Whose {
	roles := map[string]Owner{"pull": Puller, "push": Publisher, "dead": Dead, "clone": Contested}
	return func(_ context.Context, _ string, token credential.Token) (Owner, error) {
		parts := strings.Split(token.Reveal(), ".")
		if len(parts) < 2 || parts[0] != name {
			return Nobody, nil
		}
		return roles[parts[1]], nil
	}
}

// sync runs a pass that must not fail.
func (w *world) sync(token string) Report {
	w.t.Helper()
	r, err := w.syncer.Sync(w.t.Context(), w.client, wanted(token), issuer("factory"))
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	return r
}

// publish publishes a service of alice's with an image of ours.
func (w *world) publish(url string) string {
	return w.Publish(alice, exchangetest.Definition{URL: url, Image: image})
}

// asked are the calls since the last Forget, each as its method and path.
func (w *world) asked() []string {
	var calls []string
	for _, c := range w.Calls() {
		calls = append(calls, c.String())
	}
	return calls
}

// logins are the tokens of a service at a host, in the order in which nodes try them, by their names.
func (w *world) logins(service string) []string {
	found := []string{}
	for _, l := range w.Logins(service) {
		found = append(found, name(l.Token))
	}
	return found
}

// name is a token without the part that makes it one.
func name(token string) string {
	parts := strings.Split(token, ".")
	return strings.Join(parts[:len(parts)-1], ".")
}

// others is all that is stored and is not the operator's, byte by byte: entries of others with their ids and times, and
// services without their time and the marker.
func (w *world) others() map[string]string {
	w.t.Helper()
	g := NewWithT(w.t)
	found := map[string]string{}
	for id, state := range w.State() {
		record, logins, _ := strings.Cut(state, "\n")
		var fields map[string]json.RawMessage
		g.Expect(json.Unmarshal([]byte(record), &fields)).To(Succeed())
		delete(fields, "lastUpdated")
		var store map[string]json.RawMessage
		g.Expect(json.Unmarshal(fields["imageStore"], &store)).To(Succeed())
		delete(store, markerKey)
		fields["imageStore"], _ = json.Marshal(store)
		kept, _ := json.Marshal(fields)
		found[id] = string(kept)
		var entries []json.RawMessage
		g.Expect(json.Unmarshal([]byte(logins), &entries)).To(Succeed())
		for _, entry := range entries {
			var login struct{ Token string }
			g.Expect(json.Unmarshal(entry, &login)).To(Succeed())
			if !strings.HasPrefix(login.Token, "factory.") || strings.HasPrefix(login.Token, "factory.clone.") {
				found[id] += "\n" + string(entry)
			}
		}
	}
	return found
}

// outcomeOf finds a service in a report.
func outcomeOf(r Report, service string) Outcome {
	for _, o := range r.Services {
		if o.Service == service {
			return o
		}
	}
	return Outcome{}
}
