// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// crowded has services in every state that a pass mends, and entries of others among them.
func crowded(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, exchangetest.Options{})
	renewed := w.publish("renewed")
	w.AddLogin(renewed, host, user, another)
	w.AddLogin(renewed, host, user, older)
	several := w.Publish(alice, exchangetest.Definition{URL: "several", Image: image, ImageStore: `{"storeType":"dockerRegistry"}`})
	for _, token := range []string{dead, another, pushing, cloned, newer, older} {
		w.AddLogin(several, host, user, token)
	}
	w.publish("new")
	w.AddLogin(w.publish("current"), host, user, newer)
	w.AddLogin(w.Publish(alice, exchangetest.Definition{URL: "elsewhere", Image: "other.example.com/x:1"}), host, user, older)
	return w
}

// end is what is stored at the end, without what differs from run to run: times, and the id of an entry that was added.
func (w *world) end() map[string][]string {
	w.t.Helper()
	g := NewWithT(w.t)
	found := map[string][]string{}
	for id, state := range w.State() {
		record, _, _ := strings.Cut(state, "\n")
		var s struct{ ImageStore map[string]json.RawMessage }
		g.Expect(json.Unmarshal([]byte(record), &s)).To(Succeed())
		var m Marker
		_ = json.Unmarshal(s.ImageStore[markerKey], &m)
		found[id] = append(w.logins(id), fmt.Sprintf("%s/%s/%d", m.Name, m.UID, m.Generation), string(s.ImageStore["storeType"]))
	}
	return found
}

// announced holds every service with a current entry to have changed after it.
func (w *world) announced() {
	w.t.Helper()
	g := NewWithT(w.t)
	for id, state := range w.State() {
		record, logins, _ := strings.Cut(state, "\n")
		var s struct{ LastUpdated string }
		var entries []struct{ Token, LastUpdated string }
		g.Expect(json.Unmarshal([]byte(record), &s)).To(Succeed())
		g.Expect(json.Unmarshal([]byte(logins), &entries)).To(Succeed())
		for _, e := range entries {
			if e.Token == newer {
				g.Expect(parseStamp(s.LastUpdated)).To(BeTemporally(">", parseStamp(e.LastUpdated)), "%s: nodes do not read the entry", id)
			}
		}
	}
}

type interruption struct {
	name   string
	fault  standin.Fault
	killed bool
}

// interruptions are the ways in which a call ends that is not answered as it should be.
var interruptions = []interruption{
	{"the process dies before it takes effect", standin.Fault{}, true},
	{"the process dies after it took effect", standin.Fault{Commit: true}, true},
	{"the connection breaks before", standin.Fault{}, false},
	{"the answer is lost", standin.Fault{Commit: true}, false},
	{"an error after it took effect", standin.Fault{Commit: true, Status: 500, Body: `{"code":"internal_error","msg":""}`}, false},
	{"refused without effect", standin.Fault{Status: 403, Body: `{"code":"access-denied","msg":""}`}, false},
	{"something on the way answers", standin.Fault{Status: 200, Body: "<html></html>"}, false},
}

// interrupt lets the n-th call of a pass end so. The context ends with a process that dies.
func (w *world) interrupt(i interruption, n int) (context.Context, *standin.Fault) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	f := i.fault
	f.Skip = n
	if i.killed {
		f.Do, f.Always = cancel, true
	}
	w.Inject(&f)
	return ctx, &f
}

func TestACrashAtAnyCallEndsInTheSameState(t *testing.T) {
	for _, pass := range []struct {
		name string
		run  func(*world, context.Context) error
		want func(*world)
	}{
		{"sync", func(w *world, ctx context.Context) error {
			_, err := w.syncer.Sync(ctx, w.client, wanted(newer), issuer("factory"))
			return err
		}, (*world).announced},
		{"withdraw", func(w *world, ctx context.Context) error {
			_, err := w.syncer.Withdraw(ctx, w.client, wanted(newer), issuer("factory"))
			return err
		}, func(*world) {}},
	} {
		prepare := func(t *testing.T) *world {
			w := crowded(t)
			if pass.name == "withdraw" {
				w.sync(newer)
			}
			w.Forget()
			return w
		}
		undisturbed := prepare(t)
		foreign := undisturbed.others()
		NewWithT(t).Expect(pass.run(undisturbed, t.Context())).To(Succeed())
		calls := len(undisturbed.Calls())
		NewWithT(t).Expect(calls).To(BeNumerically(">", 12))
		NewWithT(t).Expect(undisturbed.others()).To(Equal(foreign))
		want := undisturbed.end()
		for n := range calls {
			for _, i := range interruptions {
				t.Run(fmt.Sprintf("%s/%d/%s", pass.name, n, i.name), func(t *testing.T) {
					g := NewWithT(t)
					w := prepare(t)
					ctx, fault := w.interrupt(i, n)
					_ = pass.run(w, ctx)
					g.Expect(w.Met(fault)).To(BeNumerically(">", 0), "no call was interrupted")
					g.Expect(w.others()).To(Equal(foreign), "something of another's changed")
					w.Heal()
					w.restart()
					for range 2 {
						g.Expect(pass.run(w, t.Context())).To(Succeed())
						w.Clock.Advance(ListLife)
					}
					g.Expect(w.end()).To(Equal(want))
					g.Expect(w.others()).To(Equal(foreign), "something of another's changed")
					pass.want(w)
					w.Forget()
					g.Expect(pass.run(w, t.Context())).To(Succeed())
					g.Expect(w.writes()).To(BeEmpty(), "it does not come to rest")
				})
			}
		}
	}
}
