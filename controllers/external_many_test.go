// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what many EdgeRegistries of one registry ask of it, and of the API server.

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// crowd are EdgeRegistries of one registry that take the same two logins, each for a prefix of its own.
type crowd struct {
	registry  *otherRegistry
	namespace string
	names     []string
}

func gather(t *testing.T, size int) *crowd {
	t.Helper()
	g := NewWithT(t)
	c := &crowd{registry: startOtherRegistry(t), namespace: makeNamespace(t).Name}
	of := &edgev1.EdgeRegistry{}
	of.Spec.Secrets.Namespace = c.namespace
	prefix := "crowd-" + stamp()
	for i := range size {
		c.names = append(c.names, fmt.Sprintf("%s-%d", prefix, i))
	}
	of.Name = strings.Join(c.names, ",")
	inviteCopies(t, c.namespace, c.names...)
	supply(t, c.registry.login(prefix+"-push", pushUser, "push-1-secret", of))
	supply(t, c.registry.login(prefix+"-pull", pullUser, "pull-1-secret", of))
	for _, name := range c.names {
		edge := &edgev1.EdgeRegistry{}
		edge.Name = name
		edge.Spec.External = &edgev1.ExternalSpec{
			Host: c.registry.host, RepositoryPrefix: name,
			Publisher: &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: prefix + "-push"}},
			Puller:    &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: prefix + "-pull"}},
		}
		edge.Spec.Secrets.Namespace, edge.Spec.Verification.Repository = c.namespace, "probe"
		g.Expect(admin.Create(t.Context(), edge)).To(Succeed())
		t.Cleanup(func() {
			_ = admin.Delete(context.Background(), edge)
			releaseNow(edge)
		})
	}
	return c
}

// verified returns when each EdgeRegistry was last verified, once all are Ready and were since a time.
func (c *crowd) verified(t *testing.T, since time.Time) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	NewWithT(t).Eventually(func(g Gomega) {
		list := &edgev1.EdgeRegistryList{}
		g.Expect(admin.List(t.Context(), list)).To(Succeed())
		clear(times)
		for _, edge := range list.Items {
			if meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) && edge.Status.VerifiedAt != nil && !edge.Status.VerifiedAt.Time.Before(since) {
				times[edge.Name] = edge.Status.VerifiedAt.Time
			}
		}
		g.Expect(times).To(HaveLen(len(c.names)))
	}).WithTimeout(10 * soon).WithPolling(100 * often).Should(Succeed())
	return times
}

// poke asks for a pass of some.
func (c *crowd) poke(t *testing.T, names []string) {
	t.Helper()
	for _, name := range names {
		edge := &edgev1.EdgeRegistry{}
		edge.Name = name
		note := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, edgev1.ReconcileAnnotation, stamp())
		NewWithT(t).Expect(admin.Patch(t.Context(), edge, client.RawPatch(types.MergePatchType, note))).To(Succeed())
	}
}

// asked are the requests to the registry since the last time, by the login that they show and what they ask for, with the
// repository as NAME; and by repository how many there were.
func (c *crowd) asked() (kinds map[string]int, byRepository map[string]int) {
	kinds, byRepository = map[string]int{}, map[string]int{}
	c.registry.change(func() {
		for i, request := range c.registry.requests {
			method, path, _ := strings.Cut(request, " ")
			kind := "ping"
			if name, rest, inside := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/probe/"); inside {
				byRepository[name]++
				kind, _, _ = strings.Cut(rest, "/")
			}
			kinds[strings.TrimSpace(c.registry.users[i]+" "+method+" "+kind)]++
		}
		c.registry.requests, c.registry.users = nil, nil
	})
	return kinds, byRepository
}

// awaitRest waits until no pass runs, and none has for a while.
func awaitRest(t *testing.T) {
	t.Helper()
	last := -1.0
	NewWithT(t).Eventually(func() bool {
		now, _ := passes()
		active, _ := activePasses()
		quiet := now == last && active == 0
		last = now
		return quiet
	}).WithTimeout(soon).WithPolling(time.Second).Should(BeTrue())
}

// asks counts the requests of an operator to the API server, without watches and events.
type asks struct {
	mu   sync.Mutex
	seen map[string]int
}

func (a *asks) intercept(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "true" || strings.Contains(r.URL.Path, "/events") {
		return next.RoundTrip(r)
	}
	what := r.Method
	if what != http.MethodGet {
		what += " " + r.URL.Path
	}
	a.mu.Lock()
	a.seen[what]++
	a.mu.Unlock()
	return next.RoundTrip(r)
}

// since returns what was asked since the last time.
func (a *asks) since() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = map[string]int{}
	return seen
}

// Of a registry that many use: a login is shown once for each right in an interval, everybody's answer about a repository is
// asked for once for both, and how the registry takes logins once for all. At rest nothing is asked of anybody, and a restart neither writes nor asks the registry.
func TestManyOfOneRegistryAskItSparingly(t *testing.T) {
	const size = 200
	g := NewWithT(t)
	watcher := &asks{seen: map[string]int{}}
	watched := func(o *operator, _ *rest.Config) { o.wire.intercept = watcher.intercept }
	o := startOperator(t, anyHost, watched)
	c := gather(t, size)
	c.verified(t, time.Time{})
	awaitRest(t)

	interval := func() {
		kinds, byRepository := c.asked()
		// Passes that run at the same time may each ask before the first has an answer.
		g.Expect(kinds["GET ping"]).To(And(BeNumerically(">", 0), BeNumerically("<=", o.MaxConcurrentReconciles)))
		delete(kinds, "GET ping")
		g.Expect(kinds).To(Equal(map[string]int{
			"GET tags": size, pushUser + " GET tags": size, pushUser + " PATCH blobs": size,
			pullUser + " GET tags": size, pullUser + " PATCH blobs": size,
		}))
		g.Expect(byRepository).To(And(HaveLen(size), HaveEach(5)))
	}
	c.asked()
	watcher.since()
	g.Consistently(watcher.since).WithTimeout(3*time.Second).WithPolling(10*often).Should(BeEmpty(), "nothing but watches")

	later := o.clock.Now().Add(31 * time.Minute)
	o.clock.SetTime(later)
	c.poke(t, c.names)
	verified := c.verified(t, later.Truncate(time.Second))
	awaitRest(t)
	interval()
	c.poke(t, c.names[:size/10])
	awaitRest(t)
	kinds, _ := c.asked()
	g.Expect(kinds).To(BeEmpty(), "within the interval")
	settled := contents(t, c.namespace)

	o.stop(t)
	watcher.since()
	before, _ := passes()
	startOperator(t, anyHost, watched, func(o *operator, _ *rest.Config) { o.clock.SetTime(later) })
	g.Eventually(passes).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">=", before+size))
	awaitRest(t)
	asked := watcher.since()
	delete(asked, http.MethodGet)
	g.Expect(asked).To(Equal(map[string]int{"POST /apis/authentication.k8s.io/v1/selfsubjectreviews": 1}), "a restart writes nothing")
	kinds, _ = c.asked()
	g.Expect(kinds).To(BeEmpty(), "a restart asks the registry nothing")
	g.Expect(contents(t, c.namespace)).To(Equal(settled))
	g.Expect(c.verified(t, time.Time{})).To(Equal(verified))
	g.Expect(settled).To(HaveKey("*v1.Secret " + c.names[size-1] + "-pull"))
}
