// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what others do to an Exchange meanwhile, and about many who share one.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// fielded is an EdgeRegistry with a service in an Exchange, and a node that runs it.
type fielded struct {
	t       *testing.T
	edge    *edgev1.EdgeRegistry
	x       *exchangetest.Exchange
	service string
	node    *exchangetest.Agent
}

// fieldedBy has an operator bring an EdgeRegistry's login to a node, and come to rest.
func fieldedBy(t *testing.T, o *operator) *fielded {
	t.Helper()
	g := NewWithT(t)
	f := &fielded{t: t, edge: newEdge()}
	f.x, _ = exchangeFor(t, f.edge)
	f.service = f.publish("camera")
	o.settles(t, apply(t, f.edge))
	f.rests(o)
	f.x.AddNode(organization, "gateway", "node-secret", "alice", f.service)
	var err error
	f.node, err = f.x.NewAgent(t.Context(), organization, "gateway", "node-secret")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.pull()).To(Equal(exchangetest.Pulled{OK: true, ID: f.x.Logins(f.service)[0].ID}))
	return f
}

func (f *fielded) publish(name string) string {
	return f.x.Publish(publishingUser, exchangetest.Definition{URL: name, Image: imageOf(f.edge, name)})
}

// rests has an operator look until a list of services is all that it asks for.
func (f *fielded) rests(o *operator) {
	f.t.Helper()
	for range 3 {
		o.advance(11 * time.Minute)
		o.pass(f.t, f.edge)
	}
	f.x.Forget()
	o.advance(11 * time.Minute)
	o.pass(f.t, f.edge)
	NewWithT(f.t).Expect(f.x.Calls()).To(HaveExactElements(HaveField("Method", http.MethodGet)), "it is not at rest")
}

// pull has the node ask for changes, and pull by the token of now.
func (f *fielded) pull() exchangetest.Pulled {
	f.t.Helper()
	g := NewWithT(f.t)
	f.x.Clock.Advance(exchangetest.PollInterval)
	g.Expect(f.node.Poll(f.t.Context())).To(Succeed())
	current := pulls(f.t, f.edge)
	pulled, err := f.node.Pull(f.t.Context(), f.service, openShift.Host(), func(_, token string) bool {
		return credential.NewToken(token).Equal(current)
	})
	g.Expect(err).NotTo(HaveOccurred())
	return pulled
}

// An Exchange that is down for a day costs no token, and no node its login: what was owed is made up for.
func TestARotationWhileTheExchangeIsDownForADay(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	f := fieldedBy(t, o)
	before, state := pulls(t, f.edge), f.x.State()
	f.x.Inject(&standin.Fault{Always: true, Status: http.StatusServiceUnavailable})
	annotate(t, f.edge, edgev1.RotateAnnotation, "now")
	for range 24 {
		o.advance(time.Hour)
		o.pass(t, f.edge)
		expectHeldUp(t, f.edge, edgev1.ExchangeUpdated, edgev1.ReasonExchangeUnavailable, false)
	}
	after := pulls(t, f.edge)
	g.Expect(after.Equal(before)).To(BeFalse(), "pipelines have the new one at once")
	g.Expect(highest(t, f.edge)).To(BeEquivalentTo(2), "one mint, however often it was tried")
	g.Expect(works(t, before)).To(BeTrue(), "nodes pull with the previous one")
	g.Expect(fmt.Sprint(f.x.State()) == fmt.Sprint(state)).To(BeTrue(), "nothing changed in the Exchange")

	f.x.Heal()
	o.advance(time.Minute)
	o.settles(t, f.edge)
	only(t, f.x, f.service, "edge-puller."+openshift.ProjectName(f.edge), after)
	g.Expect(f.pull().OK).To(BeTrue())
	f.rests(o)
}

// highest is the number of the puller's last token.
func highest(t *testing.T, edge *edgev1.EdgeRegistry) (number int64) {
	t.Helper()
	for _, c := range reload(t, edge).Status.Credentials {
		if c.Role == edgev1.TokenPuller {
			number = max(number, c.Generation)
		}
	}
	return number
}

// What was published while the operator stood still for six hours is put right by the next one, and the rest is left alone.
func TestSixHoursWithoutTheOperator(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	f := fieldedBy(t, o)
	still := f.publish("still")
	f.rests(o)
	kept := f.x.State()[still]
	f.x.Clock.Advance(3 * time.Hour)
	f.publish("camera")
	f.x.AddLogin(f.service, openShift.Host(), "token", tokenOf(secretOf(t, f.edge, pass.PublishSecretName(f.edge))).Reveal())
	added := f.publish("added")
	f.x.Clock.Advance(3 * time.Hour)

	next := directOperator(t)
	next.clock.SetTime(o.clock.Now().Add(6 * time.Hour))
	next.settles(t, f.edge)
	user := "edge-puller." + openshift.ProjectName(f.edge)
	for _, service := range []string{f.service, still, added} {
		only(t, f.x, service, user, pulls(t, f.edge))
	}
	g.Expect(f.x.State()[still] == kept).To(BeTrue(), "what was right was written")
	g.Expect(f.pull()).To(Equal(exchangetest.Pulled{OK: true, ID: f.x.Logins(f.service)[0].ID}))
	f.rests(next)
}

// Another cluster with a project of the same name, an account of the same name and another key keeps a login of its own in the
// same service. Neither touches the other's, and both come to rest.
func TestTwoClustersOnOneExchange(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	neighbour := newEdge()
	o.settles(t, apply(t, neighbour))
	f := fieldedBy(t, o)
	user := "edge-puller." + openshift.ProjectName(f.edge)
	// All that it says is as in ours, and somebody else has signed it.
	parts, signature := strings.Split(pulls(t, f.edge).Reveal(), "."), strings.Split(pulls(t, neighbour).Reveal(), ".")[2]
	theirs := credential.NewToken(parts[0] + "." + parts[1] + "." + signature)
	there := exchange.NewExchanges(o.clock.Now)
	login, problems := exchange.ParseLogin(map[string]string{
		exchange.KeyURL: f.x.URL, exchange.KeyOrg: organization, exchange.KeyAuth: "alice:" + exchangePassword,
	})
	g.Expect(problems).To(BeEmpty())
	asks, syncer := there.Client(login, exchange.Options{Roots: f.x.Roots}), exchange.NewSyncer(there)
	t.Cleanup(asks.Close)
	sync := func() {
		_, err := syncer.Sync(t.Context(), asks, exchange.Wanted{
			Host: openShift.Host(), Prefix: openshift.ProjectName(f.edge), User: user, Token: theirs, Marker: exchange.Marker{UID: "theirs"},
		}, func(_ context.Context, _ string, token credential.Token) (exchange.Owner, error) {
			if token.Equal(theirs) {
				return exchange.Puller, nil
			}
			return exchange.Nobody, nil
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
	sync()
	before := entriesOf(t, f.x, f.service)
	g.Expect(before).To(HaveLen(2))
	annotate(t, f.edge, edgev1.RotateAnnotation, "now")
	for range 4 {
		o.advance(11 * time.Minute)
		o.pass(t, f.edge)
		sync()
		g.Expect(f.pull().OK).To(BeTrue())
	}
	after := entriesOf(t, f.x, f.service)
	g.Expect(after).To(HaveLen(2))
	g.Expect(after[1] == before[1]).To(BeTrue(), "the other cluster's login changed")
	g.Expect(credential.NewToken(f.x.Logins(f.service)[0].Token).Equal(pulls(t, f.edge))).To(BeTrue())
	f.x.Forget()
	o.advance(11 * time.Minute)
	o.pass(t, f.edge)
	sync()
	g.Expect(f.x.Calls()).To(HaveEach(HaveField("Method", http.MethodGet)), "they do not come to rest")
	g.Expect(f.pull().OK).To(BeTrue())
}

// entriesOf are the logins of a service as they are stored, byte by byte, with their times. None is to be printed.
func entriesOf(t *testing.T, x *exchangetest.Exchange, service string) []string {
	t.Helper()
	_, stored, _ := strings.Cut(x.State()[service], "\n")
	var entries []json.RawMessage
	NewWithT(t).Expect(json.Unmarshal([]byte(stored), &entries)).To(Succeed())
	var all []string
	for _, entry := range entries {
		all = append(all, string(entry))
	}
	return all
}

// That a service moves to another registry is reported once, with what is left in it.
func TestAServiceThatMovesAwayIsTold(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	f := fieldedBy(t, o)
	f.x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: "registry.example.com/edge/camera"})
	deleted := f.publish("deleted")
	f.rests(o)
	f.x.Delete(deleted)
	f.rests(o)
	var left []string
	for _, event := range recorder.all() {
		if strings.Contains(event, " "+edgev1.ReasonServiceLeft+" ") {
			left = append(left, event)
		}
	}
	g.Expect(left).To(ConsistOf(And(
		HavePrefix("Normal "), ContainSubstring("no image below "+openShift.Host()), ContainSubstring("removeauth"),
		HaveSuffix(fmt.Sprintf("%s %d", f.service, f.x.Logins(f.service)[0].ID)))))
}

// However many EdgeRegistries share an Exchange and a user of it, at rest one list of services in ten minutes serves all, and
// nothing is written.
func TestManyOnOneExchangeShareAList(t *testing.T) {
	const size = 100
	g := NewWithT(t)
	o := startOperator(t, anyHost)
	c := gather(t, size)
	c.verified(t, time.Time{})
	first := &edgev1.EdgeRegistry{}
	first.Name = c.names[0]
	x, secret := exchangeFor(t, first)
	edit(t, secret, func(s *corev1.Secret) { s.Annotations[edgev1.ForAnnotation] = strings.Join(c.names, ",") })
	asks, err := json.Marshal(map[string]any{"spec": map[string]any{"exchanges": first.Spec.Exchanges}})
	g.Expect(err).NotTo(HaveOccurred())
	// All before the first list of services, which serves everybody.
	for _, name := range c.names {
		x.Publish(publishingUser, exchangetest.Definition{URL: name, Image: c.registry.host + "/" + name + "/camera"})
	}
	for _, name := range c.names {
		t.Cleanup(func() { unobserve(name) })
		edge := &edgev1.EdgeRegistry{}
		edge.Name = name
		g.Expect(admin.Patch(t.Context(), edge, client.RawPatch(types.MergePatchType, asks))).To(Succeed())
	}
	g.Eventually(func() int { return c.delivered(t) }).WithTimeout(2 * soon).WithPolling(100 * often).Should(Equal(size))
	awaitRest(t)
	round := func(by time.Duration) []standin.Call {
		x.Forget()
		o.advance(by)
		c.poke(t, c.names)
		awaitRest(t)
		return x.Calls()
	}
	for range 3 {
		round(11 * time.Minute)
	}
	state := x.State()
	for range 3 {
		g.Expect(round(exchange.ListLife + time.Second)).To(HaveExactElements(HaveField("Path", "services")))
	}
	g.Expect(round(time.Minute)).To(BeEmpty(), "within ten minutes")
	g.Expect(fmt.Sprint(x.State()) == fmt.Sprint(state)).To(BeTrue(), "something was written")
}

// delivered counts those whose login is in their one service.
func (c *crowd) delivered(t *testing.T) (n int) {
	t.Helper()
	list := &edgev1.EdgeRegistryList{}
	NewWithT(t).Expect(admin.List(t.Context(), list)).To(Succeed())
	for _, edge := range list.Items {
		if edge.Status.Exchange != nil && edge.Status.Exchange.Synced == 1 && meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
			n++
		}
	}
	return n
}
