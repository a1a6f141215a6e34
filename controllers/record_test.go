// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// nonsense is a status that the operator never wrote.
var nonsense = map[string]any{
	"observedGeneration": 7, "host": "elsewhere.example.com", "imagePrefix": "elsewhere.example.com/x", "provider": "none",
	"expiresAt": "2001-01-01T00:00:00Z", "verifiedAt": "2001-01-01T00:00:00Z", "lastHandledRotation": "never",
	"secrets": []any{map[string]any{"role": "Pull", "namespace": "kube-system", "name": "x", "generation": 99,
		"copies": map[string]any{"total": 9, "synced": 9}}},
	"credentials": []any{map[string]any{"role": "Puller", "generation": 99, "current": true, "serviceAccount": "default"}},
	"ca":          map[string]any{"subject": "CN=x", "sha256": "00", "notAfter": "2001-01-01T00:00:00Z", "source": "x", "certificates": []any{"00"}},
	"conditions": []any{
		map[string]any{"type": "Nonsense", "status": "True", "reason": "Nonsense", "message": "m", "lastTransitionTime": "2001-01-01T00:00:00Z"},
		map[string]any{"type": edgev1.RegistryVerified, "status": "True", "reason": "Nonsense", "message": "m", "lastTransitionTime": "2001-01-01T00:00:00Z"},
	},
}

// recordOf is the record of an EdgeRegistry as it is kept.
func recordOf(t *testing.T, edge *edgev1.EdgeRegistry) *pass.Record {
	t.Helper()
	g := NewWithT(t)
	secret, record := &corev1.Secret{}, &pass.Record{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: recordName(edge.UID)}, secret)).To(Succeed())
	g.Expect(json.Unmarshal(secret.Data[recordKey], record)).To(Succeed())
	return record
}

// editRecord changes the record of an EdgeRegistry, as nobody but the operator may.
func editRecord(t *testing.T, edge *edgev1.EdgeRegistry, change func(*pass.Record)) {
	t.Helper()
	record := recordOf(t, edge)
	change(record)
	content, err := json.Marshal(record)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	edit(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: recordName(edge.UID)}},
		func(s *corev1.Secret) { s.Data[recordKey] = content })
}

// The status is output: whatever stands there, and whenever in a pass it was put there, the same end state comes of it, no
// token is minted, and no copy is lost sight of.
func TestTheStatusIsOutput(t *testing.T) {
	for what, status := range map[string]any{"emptied": nil, "nonsense": nonsense} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted: %t", what, restarted), func(t *testing.T) {
				g := NewWithT(t)
				target := makeTarget(t)
				o := directOperator(t)
				edge := o.settles(t, apply(t, newEdge(copyPullTo(target))))
				o.look(t, edge)
				minted, settled, copied := o.mints(edge), contents(t, edge.Name), copyIn(t, target, pass.PullSecretName(edge))
				spoil := func() {
					content, err := json.Marshal(map[string]any{"status": status})
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(admin.Status().Patch(t.Context(), edge.DeepCopy(), client.RawPatch(types.MergePatchType, content))).To(Succeed())
				}

				// A pass sends some fifteen requests. Before the last of them, and once after it, the status is spoiled.
				for at := 1; ; at++ {
					if restarted {
						o, minted = directOperator(t), 0
					}
					sent := 0
					o.intercepting(func(_ ask, on func() (*http.Response, error)) (*http.Response, error) {
						if sent++; sent == at {
							spoil()
						}
						return on()
					})
					o.look(t, edge)
					g.Expect(o.mints(edge)).To(Equal(minted), "spoiled at request %d", at)
					g.Expect(contents(t, edge.Name)).To(Equal(settled), "spoiled at request %d", at)
					if sent < at {
						break
					}
				}
				o.settles(t, edge)
				o.look(t, edge)
				g.Expect(contents(t, edge.Name)).To(Equal(settled))
				g.Expect(copyIn(t, target, copied.Name).ResourceVersion).To(Equal(copied.ResourceVersion))
				g.Expect(recorded(t, edge, copied.Name)).To(Equal(target))

				right := reload(t, edge).Status
				g.Expect(right.Provider).To(Equal(edgev1.ProviderOpenShift))
				g.Expect(right.ObservedGeneration).To(Equal(edge.Generation))
				g.Expect(right.Host).To(Equal(openShift.Host()))
				g.Expect(right.Credentials).To(HaveLen(2))
				g.Expect(right.Secrets).To(ContainElement(HaveField("Copies", HaveValue(HaveField("Synced", BeEquivalentTo(1))))))
				var names []string
				for _, c := range right.Conditions {
					names = append(names, c.Type)
					g.Expect(c.Status).To(Equal(metav1.ConditionTrue), c.Type)
				}
				g.Expect(names).To(ConsistOf(append([]any{edgev1.Ready}, toAny(stepConditions)...)...))

				// The list of copies was not lost: one that is not wanted any more is found.
				edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Pull.CopyTo = nil })
				spoil()
				o.settles(t, edge)
				g.Expect(noCopyIn(t, target, copied.Name)).To(BeTrue())
			})
		}
	}
}

func toAny(names []string) (list []any) {
	for _, name := range names {
		list = append(list, name)
	}
	return list
}
