// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the passes between what tenants do, and what must be so after them.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// note keeps what happened, for whoever reads of a failure.
func (e *estate) note(format string, args ...any) {
	e.history = append(e.history, fmt.Sprintf("%d: ", e.steps)+fmt.Sprintf(format, args...))
	e.history = e.history[max(0, len(e.history)-60):]
}

// where says how to come here again, and what happened last.
func (e *estate) where() string {
	return fmt.Sprintf("TENANTS_SEED=%d, at step %d, after\n%s", e.seed, e.steps, strings.Join(e.history, "\n"))
}

// round makes a pass over each EdgeRegistry.
func (e *estate) round(t *testing.T) {
	t.Helper()
	e.rounds++
	e.look(t)
	for i := range e.edges {
		e.visit(t, &e.edges[i])
	}
	if len(e.wrongs) > 0 {
		t.Fatalf("%s\n%s", strings.Join(e.wrongs, "\n"), e.where())
	}
}

// visit makes a pass over an EdgeRegistry, and sees that it does not cost more than it may.
func (e *estate) visit(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	e.of, e.sent = edge, 0
	_, err := makePass(t, e.o.EdgeRegistryReconciler, edge)
	e.of = nil
	e.passes++
	e.all += e.sent
	e.most = max(e.most, e.sent)
	targets := len(edge.Spec.Secrets.Publish.CopyTo) + len(edge.Spec.Secrets.Pull.CopyTo)
	if most := mostRequests + mostForCopy*targets; e.sent > most {
		e.wrongs = append(e.wrongs, fmt.Sprintf("the pass of %s sent %d requests, more than %d", edge.Name, e.sent, most))
	}
	if err == nil {
		e.expectOwnTokens(t, edge)
	}
	b := e.books[edge.UID]
	for account, minted := range b.mints {
		most := b.wishes
		if !e.isOutOfReach(edge) {
			elapsed := int(e.o.clock.Since(b.begun) / objects.RepairAgain)
			most += elapsed + (1+e.restarts-b.restarts)*(objects.RepairsAtOnce+1)
		}
		if minted > most {
			e.wrongs = append(e.wrongs, fmt.Sprintf("%d tokens were issued for %s of %s, more than %d", minted, account, edge.Name, most))
		}
	}
}

// isOutOfReach reports that no actor has a right in the project of an EdgeRegistry, nor may write it.
func (e *estate) isOutOfReach(edge *edgev1.EdgeRegistry) bool {
	return slices.Contains([]string{e.in("quiet"), e.in("held"), e.in("patient")}, edge.Name)
}

// expectOwnTokens: what is published as Ready are tokens that were issued to the operator for this EdgeRegistry.
func (e *estate) expectOwnTokens(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	live := &edgev1.EdgeRegistry{}
	if admin.Get(t.Context(), client.ObjectKeyFromObject(edge), live) != nil || !live.DeletionTimestamp.IsZero() ||
		live.Status.ObservedGeneration != live.Generation || !meta.IsStatusConditionTrue(live.Status.Conditions, edgev1.Ready) {
		return
	}
	for _, name := range []string{pass.PublishSecretName(edge), pass.PullSecretName(edge)} {
		secret := &corev1.Secret{}
		err := admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: name}, secret)
		if err != nil || e.minted[tokenOf(secret).Reveal()] != edge.UID {
			e.wrongs = append(e.wrongs, fmt.Sprintf("%s is Ready, and Secret %s holds no token that was issued for it (%v)", edge.Name, name, err))
		}
	}
}

// expectNoHarm: who is out of reach is Ready, whatever the others do.
func (e *estate) expectNoHarm(t *testing.T) {
	t.Helper()
	var ready metav1.Condition
	for range 3 {
		if ready = condition(t, e.quiet, edgev1.Ready); ready.Status == metav1.ConditionTrue {
			return
		}
		e.round(t)
	}
	t.Fatalf("%s is not Ready: %s: %s\n%s", e.quiet.Name, ready.Reason, ready.Message, e.where())
}

// tell logs the counts.
func (e *estate) tell(t *testing.T, took time.Duration) {
	t.Helper()
	g := NewWithT(t)
	total, powers := 0, map[string]int{}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(both(e.done, e.refused))) {
		total += e.done[key] + e.refused[key]
		powers[strings.Split(key, ":")[0]] += e.done[key]
		lines = append(lines, fmt.Sprintf("%s: %d done, %d refused", key, e.done[key], e.refused[key]))
	}
	t.Logf("%d acts of %d verbs on resources in %s, %d passes in %d rounds with %.1f requests each and %d at most, %d tokens, %d starts of the operator, %d contested hosts\n%s",
		total, len(lines), took.Round(time.Second), e.passes, e.rounds, float64(e.all)/float64(e.passes), e.most, len(e.minted), e.restarts+1, e.contests,
		strings.Join(lines, "\n"))
	g.Expect(total).To(Equal(e.steps))
	for _, a := range e.actors {
		g.Expect(powers[a.name]).To(BeNumerically(">", 0), "%s did something", a.name)
	}
}

// both has the keys of two maps.
func both(a, b map[string]int) map[string]int {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
