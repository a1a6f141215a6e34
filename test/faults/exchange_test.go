// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

const (
	organization, publishingUser = "plant", "plant/alice"
	exchangePassword             = "alice-s-very-long-password"
	foreignToken                 = "a-password-of-somebody-else-s"
)

// exchangeFault is what becomes of one call to an Exchange. A crash is of the operator.
type exchangeFault struct {
	standin.Fault
	crash bool
}

// exchangeFaults are what an Exchange, and what stands before it, does to a call now and then.
func exchangeFaults() map[string]exchangeFault {
	said := func(status int, code string) exchangeFault {
		return exchangeFault{Fault: standin.Fault{Status: status, Body: `{"code":"` + code + `","msg":"m"}`, Commit: status == http.StatusInternalServerError}}
	}
	return map[string]exchangeFault{
		"a crash before":           {crash: true},
		"a crash after":            {Fault: standin.Fault{Commit: true}, crash: true},
		"401":                      said(http.StatusUnauthorized, "invalid-credentials"),
		"403":                      said(http.StatusForbidden, "access-denied"),
		"404":                      said(http.StatusNotFound, "not-found"),
		"409":                      said(http.StatusConflict, "already-exists"),
		"429":                      {Fault: standin.Fault{Status: http.StatusTooManyRequests}},
		"500 after the effect":     said(http.StatusInternalServerError, "internal_error"),
		"a time-out":               {Fault: standin.Fault{Hang: true}},
		"a reset before":           {},
		"a reset after the effect": {Fault: standin.Fault{Commit: true}},
		"a page in HTML":           {Fault: standin.Fault{Status: http.StatusOK, Body: "<html>welcome</html>"}},
		"5 MB":                     {Fault: standin.Fault{Status: http.StatusOK, Body: `["` + strings.Repeat("1", 5<<20) + `"]`}},
	}
}

// inField is an Exchange with services of a case, and a node that runs one of them.
type inField struct {
	*exchangetest.Exchange
	c    *Case
	node *exchangetest.Agent
	// mixed holds entries of others among ours.
	mixed string
	// foreign is what is another's, byte by byte, before the workload.
	foreign map[string]string
}

// exchangeWorkloads are what the operator is asked to do that has it ask an Exchange.
func exchangeWorkloads() map[string]func(*inField) *Workload {
	return map[string]func(*inField) *Workload{
		"delivery": func(f *inField) *Workload {
			return &Workload{Name: "delivery", Prepare: f.begin, Steps: []func(*Case){func(*Case) {
				f.publishAs("publish")
				f.c.Edit(func(e *edgev1.EdgeRegistry) { e.Spec.Exchanges = f.spec() })
			}}}
		},
		"rotation": func(f *inField) *Workload {
			return &Workload{Name: "rotation", Prepare: func(c *Case) { f.begin(c); c.Edge.Spec.Exchanges = f.spec() }, Steps: []func(*Case){func(c *Case) {
				f.publishAs("pull")
				rotate(c)
			}}}
		},
		"deletion": func(f *inField) *Workload {
			return &Workload{Name: "deletion", Prepare: func(c *Case) { f.begin(c); c.Edge.Spec.Exchanges = f.spec() }, Steps: []func(*Case){func(c *Case) {
				f.publishAs("pull")
				deleteEdge(c)
			}}}
		},
	}
}

func (f *inField) spec() []edgev1.ExchangeSpec {
	return []edgev1.ExchangeSpec{{
		CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: f.c.Edge.Name + "-exchange"},
		CABundleRef:          &edgev1.CABundleRef{Name: f.c.Edge.Name + "-exchange", Key: handoff.KeyCA},
	}}
}

// begin starts an Exchange with services of alice's and of others, and supplies the login to it.
func (f *inField) begin(c *Case) {
	f.c = c
	f.Exchange = exchangetest.Start(exchangetest.Options{})
	c.T.Cleanup(f.Close)
	f.AddUser(organization, "alice", exchangePassword, false)
	image := c.World.OpenShift.Host() + "/" + c.Project()
	f.mixed = f.Publish(publishingUser, exchangetest.Definition{URL: "mixed", Image: image + "/camera", ImageStore: `{"storeType":"dockerRegistry"}`})
	f.AddLogin(f.mixed, c.World.OpenShift.Host(), "edge-puller."+c.Project(), foreignToken)
	f.Publish(publishingUser, exchangetest.Definition{URL: "fresh", Image: image + "/radio"})
	for _, id := range []string{
		f.Publish(publishingUser, exchangetest.Definition{URL: "elsewhere", Image: image + "2/camera"}),
		f.Publish(organization+"/bob", exchangetest.Definition{URL: "of-bob", Image: image + "/camera"}),
	} {
		f.AddLogin(id, c.World.OpenShift.Host(), "edge-puller."+c.Project(), foreignToken)
	}
	c.offerCA("-exchange", handoff.KeyCA, string(f.CA))
	supplied := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.CredentialsNamespace, Name: c.Edge.Name + "-exchange",
			Labels: map[string]string{objects.CredentialsLabel: "true"}, Annotations: map[string]string{edgev1.ForAnnotation: c.Edge.Name},
		},
		StringData: map[string]string{exchange.KeyURL: f.URL, exchange.KeyOrg: organization, exchange.KeyAuth: "alice:" + exchangePassword},
	}
	c.must(c.World.Admin.Create(c.ctx, supplied), "supply the login to the Exchange")
	c.T.Cleanup(func() { _ = c.World.Admin.Delete(c.World.running, supplied) })
}

// publishAs has alice publish with the login of a Secret, as hzn stores it: a further entry. A node reads what is there.
func (f *inField) publishAs(name string) {
	secret := f.c.secret(name)
	token, _ := handoff.Token(secret.Data)
	f.AddLogin(f.mixed, string(secret.Data[handoff.KeyHost]), "token", token.Reveal())
	f.AddNode(organization, "gateway", "node-secret", "alice", f.mixed)
	var err error
	f.node, err = f.NewAgent(f.c.ctx, organization, "gateway", "node-secret")
	f.c.must(err, "start a node")
	f.pulls(token.Reveal())
	f.foreign = f.others()
	f.Forget()
}

// pulls reports whether the node, which nobody touches, pulls by a token.
func (f *inField) pulls(token string) bool {
	f.c.T.Helper()
	f.Clock.Advance(exchangetest.PollInterval)
	f.c.must(f.node.Poll(f.c.ctx), "have the node poll")
	pulled, err := f.node.Pull(f.c.ctx, f.mixed, f.c.World.OpenShift.Host(), func(_, shown string) bool { return shown == token })
	f.c.must(err, "have the node pull")
	return pulled.OK
}

// split divides what is stored of a service into its record without what a touch changes, and its entries.
func split(t *testing.T, state string) (record string, entries []json.RawMessage) {
	t.Helper()
	text, logins, _ := strings.Cut(state, "\n")
	var fields, store map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil || json.Unmarshal(fields["imageStore"], &store) != nil || json.Unmarshal([]byte(logins), &entries) != nil {
		t.Fatal("the stand-in stores what cannot be read")
	}
	delete(fields, "lastUpdated")
	delete(store, "edgeRegistry")
	fields["imageStore"], _ = json.Marshal(store)
	kept, _ := json.Marshal(fields)
	return string(kept), entries
}

// others is all that is another's: records, and entries with another's token.
func (f *inField) others() map[string]string {
	f.c.T.Helper()
	found := map[string]string{}
	for id, state := range f.State() {
		record, entries := split(f.c.T, state)
		found[id] = record
		for _, entry := range entries {
			if strings.Contains(string(entry), foreignToken) {
				found[id] += "\n" + string(entry)
			}
		}
	}
	return found
}

// entryID is the number of an entry: two services that get their first one at a time get them in any order.
var entryID = regexp.MustCompile(`(dockAuthId":|dockauths/)\d+`)

// named are the signatures of calls, as "METHOD path #k".
func named(calls []standin.Call) []string {
	alike, all := map[string]int{}, []string{}
	for _, call := range calls {
		what := entryID.ReplaceAllString(call.String(), "${1}N")
		alike[what]++
		all = append(all, fmt.Sprintf("%s #%d", what, alike[what]))
	}
	return all
}

// stored is what is stored in the end, a service a line, without what differs from run to run.
func (f *inField) stored() []string {
	var lines []string
	for id, state := range f.State() {
		lines = append(lines, entryID.ReplaceAllString(mask(id+" "+state), "${1}N"))
	}
	slices.Sort(lines)
	return lines
}

// P: each call to the Exchange meets each fault once, from the Exchange, from what stands before it, or by the operator's own
// end. It ends where an undisturbed operator does, in the cluster and in the Exchange, and nothing of another's changes.
func TestAFaultOfAnExchangeHealsByItself(t *testing.T) {
	suite := NewSuite(t, "P", 13)
	for _, name := range slices.Sorted(maps.Keys(exchangeWorkloads())) {
		workload := exchangeWorkloads()[name]
		calls, want := undisturbedExchange(t, workload)
		for at := range calls {
			for _, fault := range slices.Sorted(maps.Keys(exchangeFaults())) {
				suite.Run(fmt.Sprintf("%s/%s at %s", name, fault, calls[at]), func(t *testing.T) {
					f := &inField{}
					c := NewCase(t, world, workload(f))
					life := c.NewLife(nil)
					life.Patience = untilTriedAgain
					met := f.meet(calls[at], exchangeFaults()[fault], life)
					life.Run()
					if f.Met(met) == 0 {
						t.Fatal("the operator never came to this call")
					}
					f.Heal()
					if life.Dead() {
						c.Live(nil)
					}
					if made, most := len(f.Calls()), 4*len(calls)+8; made > most {
						t.Errorf("one fault led to %d calls, an undisturbed run makes %d", made, len(calls))
					}
					f.look()
					f.judge(want)
				})
			}
		}
	}
}

// look has an operator find out which nodes have read the login, which it does some minutes after it wrote it.
func (f *inField) look() {
	f.c.T.Helper()
	f.c.Clock.SetTime(f.c.Clock.Now().Add(10 * time.Minute))
	f.c.Live(nil)
}

// meet has a fault meet the call with a signature. Nothing of an operator that it killed reaches the Exchange.
func (f *inField) meet(signature string, fault exchangeFault, life *Life) *standin.Fault {
	var calls []standin.Call
	met := fault.Fault
	met.Match = func(call standin.Call) bool {
		calls = append(calls, call)
		return named(calls)[len(calls)-1] == signature
	}
	if fault.crash {
		met.Do = life.Kill
	}
	f.Inject(&met)
	f.Inject(&standin.Fault{Always: true, Match: func(standin.Call) bool { return life.Dead() }})
	return &met
}

// ended is what a run leaves.
type ended struct {
	cluster, exchange []string
	minted            int
}

// undisturbedExchange returns the calls of an undisturbed run, and what it leaves, and sees that another does the same.
func undisturbedExchange(t *testing.T, workload func(*inField) *Workload) (calls []string, want ended) {
	t.Helper()
	for range 2 {
		f := &inField{}
		c := NewCase(t, world, workload(f))
		c.Live(nil)
		made := named(f.Calls())
		slices.Sort(made) // two run at a time
		f.look()
		if calls == nil {
			calls, want = made, ended{c.end(), f.stored(), len(c.issued())}
		}
		compare(t, "a second undisturbed run asks the Exchange for other things", made, calls)
		f.judge(want)
	}
	return calls, want
}

// judge holds a run to an undisturbed one, and to what does not depend on that.
func (f *inField) judge(want ended) {
	c := f.c
	c.T.Helper()
	compare(c.T, "the end state differs from that of an undisturbed run (- undisturbed, + now)", c.end(), want.cluster)
	compare(c.T, "the Exchange holds other things than after an undisturbed run (- undisturbed, + now)", f.stored(), want.exchange)
	if now := f.others(); !maps.Equal(now, f.foreign) {
		c.T.Error("something of another's changed in the Exchange")
	}
	if minted := len(c.issued()); minted != want.minted {
		c.T.Errorf("%d tokens were minted, by an undisturbed run %d", minted, want.minted)
	}
	f.judgeUse()
	// The node has asked since, which the operator notes once.
	f.look()
	f.Forget()
	c.judgeQuiet()
	for _, call := range f.Matching(exchangetest.Writes) {
		c.T.Errorf("an operator at rest writes to the Exchange: %s", call)
	}
	c.judgeRequests()
	c.judgeLeaks()
	for place, text := range map[string]string{"what the operator told": c.Told.String(), "the status": c.standing()} {
		for _, secret := range []string{exchangePassword, foreignToken} {
			if leaks.Shows(text, secret) {
				c.T.Errorf("S6: a login of the Exchange shows in %s", place)
			}
		}
	}
}

// judgeUse looks as the node does, and at each service: one entry of ours, with the token of now, or none after the end.
func (f *inField) judgeUse() {
	f.c.T.Helper()
	current := ""
	if f.c.Reload() {
		token, _ := handoff.Token(f.c.secret("pull").Data)
		current = token.Reveal()
		if !f.pulls(current) {
			f.c.T.Error("the node does not pull by the login of now")
		}
	}
	ours := map[string]int{}
	for _, issued := range f.c.issued() {
		if f.pulls(issued.Reveal()) && issued.Reveal() != current {
			f.c.T.Error("the node holds an earlier login")
		}
		for _, service := range []string{f.mixed, organization + "/fresh_1.0.0_amd64"} {
			for _, login := range f.Logins(service) {
				if login.Token != issued.Reveal() {
					continue
				}
				ours[service]++
				if login.Token != current {
					f.c.T.Errorf("%s holds an earlier login", service)
				}
			}
		}
	}
	for service, n := range ours {
		if n > 1 {
			f.c.T.Errorf("%s holds %d logins of ours", service, n)
		}
	}
	if current != "" && len(ours) != 2 {
		f.c.T.Errorf("%d of 2 services hold the login", len(ours))
	}
}
