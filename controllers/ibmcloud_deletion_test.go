// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what is left at IBM Cloud after an EdgeRegistry, and after an operator that was killed.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

func TestADeletionTakesWhatWasMadeAtIBMCloudAndNothingElse(t *testing.T) {
	for name, test := range map[string]struct {
		policy edgev1.DeletionPolicy
		there  bool
		kept   []string
	}{
		"a namespace that was made":                     {edgev1.DeletionDelete, false, nil},
		"a namespace that was made, and is retained":    {edgev1.DeletionRetain, false, []string{plantImages}},
		"a namespace that was there, and is not theirs": {edgev1.DeletionDelete, true, []string{plantImages}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := startCloud(t, ibmcloud.Options{})
			if test.there {
				w.AddNamespace(plantAccount, cloudRegion, plantImages)
			}
			edge, key := w.edge(t, w.all(), func(e *edgev1.EdgeRegistry, _ *corev1.Secret) { e.Spec.DeletionPolicy = test.policy })
			others := len(w.ServiceIDs(plantAccount))
			awaitReady(t, edge)
			pull, there := w.KeyOf(tokenOf(publishedTo(t, edge, "-pull")).Reveal())
			g.Expect(there).To(BeTrue())
			g.Expect(w.LockKey(pull.ID, true)).To(BeTrue())

			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			removed(t, edge)
			g.Expect(w.made(edge)).To(BeEmpty())
			g.Expect(w.keysOf(edge, "")).To(BeEmpty())
			g.Expect(w.ServiceIDs(plantAccount)).To(HaveLen(others))
			_, there = w.KeyOf(key.Value())
			g.Expect(there).To(BeTrue())
			for _, policy := range w.Policies(plantAccount) {
				g.Expect(policy.Description).NotTo(ContainSubstring(string(edge.UID)))
			}
			g.Expect(w.Namespaces(plantAccount, cloudRegion)).To(BeEquivalentTo(test.kept))
			if test.policy == edgev1.DeletionDelete {
				reason := edgev1.ReasonRegistryNamespaceDeleted
				if test.there {
					reason = edgev1.ReasonRegistryNamespaceRetained
				}
				expectEvent(t, edge, reason, plantImages)
			}
		})
	}
}

func TestADeletionDoesNotWaitForIBMCloudForEver(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all())
	awaitReady(t, edge)
	made := w.made(edge)
	w.Inject(&standin.Fault{Match: func(c standin.Call) bool { return c.Method == http.MethodDelete }, Always: true, Status: http.StatusInternalServerError})
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	g.Eventually(func() string { return condition(t, edge, edgev1.Ready).Message }).WithTimeout(soon).WithPolling(often).Should(
		And(ContainSubstring("the deletion goes on without that"), ContainSubstring("edge.open-horizon.io/abandon")))
	expectKind(t, edge, edgev1.ReasonDeletionPending, corev1.EventTypeNormal)
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Annotations = map[string]string{edgev1.AbandonAnnotation: "true"} })
	removed(t, edge)
	expectEvent(t, edge, edgev1.ReasonLeftAtIBMCloud, "service ID "+made[0].ID, "key ApiKey-")
	expectKind(t, edge, edgev1.ReasonLeftAtIBMCloud, corev1.EventTypeWarning)
}

// An operator is killed around each write to IBM Cloud, with its reply or without it.
func TestAKilledOperatorLeavesOneKeyOfEachGeneration(t *testing.T) {
	writes := map[string]func(standin.Call) bool{
		"the namespace": func(c standin.Call) bool {
			return c.Method == http.MethodPut && strings.Contains(c.Path, "/namespaces/")
		},
		"a service ID": func(c standin.Call) bool {
			return c.Method == http.MethodPost && strings.Contains(c.Path, "/v1/serviceids")
		},
		"a policy": standin.To(http.MethodPost, "/v2/policies"),
		"a key":    standin.To(http.MethodPost, "/v1/apikeys"),
	}
	for name, match := range writes {
		for _, commit := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", before it is made", true: ", after it is made"}[commit], func(t *testing.T) {
				g := NewWithT(t)
				w := startCloud(t, ibmcloud.Options{})
				fault := &standin.Fault{Match: match, Commit: commit, Always: true}
				w.Inject(fault)
				edge, _ := w.edge(t, w.all())
				g.Eventually(func() int { return w.Met(fault) }).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", 0))
				w.Heal()
				w.restart(t)
				w.advance(3 * time.Minute)
				poke(t, edge)
				awaitReady(t, edge)
				g.Expect(w.made(edge)).To(HaveLen(2))
				for role, secret := range map[string]string{"publisher": "-publish", "puller": "-pull"} {
					keys := w.keysOf(edge, role)
					g.Expect(keys).To(HaveLen(1), role)
					published, there := w.KeyOf(tokenOf(publishedTo(t, edge, secret)).Reveal())
					g.Expect(there).To(BeTrue(), role)
					g.Expect(published.ID).To(Equal(keys[0].ID), role)
				}
			})
		}
	}
}
