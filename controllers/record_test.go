// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
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
				o.pass(t, edge)
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
					o.pass(t, edge)
					g.Expect(o.mints(edge)).To(Equal(minted), "spoiled at request %d", at)
					g.Expect(contents(t, edge.Name)).To(Equal(settled), "spoiled at request %d", at)
					if sent < at {
						break
					}
				}
				o.settles(t, edge)
				o.pass(t, edge)
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

func deleteRecord(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	record := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: recordName(edge.UID)}}
	NewWithT(t).Expect(admin.Delete(t.Context(), record)).To(Succeed())
}

func TestARecordHoldsWhatWasDoneAndNoToken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(target))))
	o.pass(t, edge)
	record := recordOf(t, edge)
	g.Expect(record.Lost).To(BeFalse())
	g.Expect(record.Served).To(And(HaveLen(2), HaveKeyWithValue(edge.Name, namespaceOf(t, edge).UID), HaveKey(target)))
	g.Expect(record.Copies).To(Equal(map[edgev1.TokenRole][]string{edgev1.TokenPuller: {target}}))
	g.Expect(record.Host).To(Equal(openShift.Host()))
	g.Expect(record.Settled).To(Equal(edge.Generation))
	g.Expect(record.VerifiedAt(edge)).To(BeTemporally("==", edge.Status.VerifiedAt.Time))
	g.Expect(record.CA.Certificates).To(Equal(edge.Status.CA.Certificates))
	for _, role := range roles {
		_, claims := published(t, edge, role)
		g.Expect(record.Find(string(claims.SecretUID))).To(HaveValue(And(
			HaveField("Role", role), HaveField("Generation", int64(1)), HaveField("Cause", pass.CauseUnpublished.Name), HaveField("Host", openShift.Host()),
			HaveField("ExpiresAt.Time", BeTemporally("==", claims.Expiry)), HaveField("Lifetime", "2160h0m0s"))))
	}
	secret := &corev1.Secret{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: recordName(edge.UID)}, secret)).To(Succeed())
	g.Expect(string(secret.Data[recordKey])).NotTo(ContainSubstring("eyJ"))
	g.Expect(objects.OwnedBy(secret, edge.UID)).To(BeTrue())
	writes := o.wire.matching(func(r string) bool { return strings.HasPrefix(r, "PUT ") && strings.HasSuffix(r, recordName(edge.UID)) })
	g.Expect(writes).To(HaveLen(2), "before what it speaks of is published, and once the logins are verified")
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	gone(t, edge.DeepCopy())
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(secret), secret)).To(Satisfy(apierrors.IsNotFound))
}

// What nobody can prove without the record waits for a person; nothing is minted and nothing is lost.
func TestALostRecordIsMadeAgainOnTheSafeSide(t *testing.T) {
	lose := func(t *testing.T, edge *edgev1.EdgeRegistry, meanwhile func()) *operator {
		o := startOperator(t)
		awaitReady(t, apply(t, edge))
		o.pass(t, edge)
		o.stop(t)
		deleteRecord(t, edge)
		meanwhile()
		o = startOperator(t)
		poke(t, edge)
		return o
	}
	// It stays so until the namespace is accepted: the pass that finds the record lost writes another, which has to know that.
	expectTold := func(t *testing.T, o *operator, edge *edgev1.EdgeRegistry, condition, reason, namespace string) {
		t.Helper()
		live := &corev1.Namespace{}
		NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Name: namespace}, live)).To(Succeed())
		for range 2 {
			expectHeldUp(t, edge, condition, reason, true, "cannot be distinguished from another of its name, since the operator's record was lost",
				"edge.open-horizon.io/accept="+namespace+"/"+string(live.UID))
			o.pass(t, edge)
			NewWithT(t).Expect(o.touched(namespace)).To(BeEmpty())
		}
		annotate(t, edge, edgev1.AcceptAnnotation, namespace+"/"+string(live.UID))
		heals(t, edge)
	}

	t.Run("a project that was requested, and a target that holds the token", func(t *testing.T) {
		g := NewWithT(t)
		target := makeTarget(t)
		edge := newEdge(copyPullTo(target))
		o := lose(t, edge, func() {})
		expectEvent(t, edge, edgev1.ReasonRecordLost, recordName(edge.UID), "no namespace is trusted to be the same as before")
		o.pass(t, edge)
		awaitReady(t, edge)
		g.Expect(o.mints(edge)).To(BeZero())
		g.Expect(o.touched(edge.Name)).To(BeEmpty())
		g.Expect(o.touched(target)).To(BeEmpty())
		g.Expect(recordOf(t, edge)).To(And(HaveField("Lost", false), HaveField("Issued", HaveLen(2)), HaveField("Copies", HaveLen(1))))
	})
	t.Run("a target that holds another token", func(t *testing.T) {
		g := NewWithT(t)
		target := makeTarget(t)
		edge := newEdge(copyPullTo(target))
		o := lose(t, edge, func() {
			edit(t, copyIn(t, target, pass.PullSecretName(edge)), func(s *corev1.Secret) { s.Data = map[string][]byte{".dockerconfigjson": []byte("{}")} })
		})
		expectTold(t, o, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed, target)
		g.Expect(o.mints(edge)).To(BeZero())
		expectCopy(t, edge, target, pass.PullSecretName(edge))
	})
	t.Run("a project that was adopted", func(t *testing.T) {
		g := NewWithT(t)
		project := makeNamespace(t).Name
		invite(t, project)
		edge := newEdge(inProject(project))
		o := lose(t, edge, func() {})
		expectTold(t, o, edge, edgev1.ProjectReady, edgev1.ReasonNamespaceReplaced, project)
		g.Expect(o.mints(edge)).To(BeZero())
	})
}

func TestARecordThatSomebodyDeletesIsWrittenAgain(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	deleteRecord(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("now"))
	g.Expect(recordOf(t, edge)).To(And(HaveField("Lost", false), HaveField("Issued", HaveLen(4)), HaveField("Served", HaveLen(1))))
}

// A record from before, as a backup has it, knows less: what it does not know is not believed.
func TestARecordThatIsOldHasTheTokensReplacedOnce(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	old := recordOf(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("now"))
	o.pass(t, edge)
	o.stop(t)
	editRecord(t, edge, func(r *pass.Record) { *r = *old })
	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	o.pass(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2))
	for _, token := range tokensOf(t, edge) {
		g.Expect(works(t, token)).To(BeTrue())
	}
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("now"))
}

// Of two processes the one that holds the lease may have written since: who loses reads again, and publishes nothing before.
func TestTwoProcessesDoNotWriteOverEachOthersRecord(t *testing.T) {
	g := NewWithT(t)
	first, second := directOperator(t), directOperator(t)
	edge := first.settles(t, apply(t, newEdge()))
	second.settles(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "by the second")
	second.pass(t, edge)
	after := recordOf(t, edge)
	g.Expect(after.Issued).To(HaveLen(4))
	annotate(t, edge, edgev1.RotateAnnotation, "by the first")
	first.pass(t, edge)
	first.settles(t, edge)
	first.pass(t, edge)
	for _, issued := range after.Issued {
		g.Expect(recordOf(t, edge).Find(issued.ID)).To(HaveValue(Equal(issued)), "nothing that the second wrote is lost")
	}
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("by the first"))
}

// After a restore of etcd the record is older than the process that goes on believes: no copy is made before etcd has it.
func TestACopyIsMadeOnlyOfWhatEtcdHasOnRecord(t *testing.T) {
	g := NewWithT(t)
	target := makeTarget(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	o.pass(t, edge)
	old := recordOf(t, edge)
	edit(t, edge, copyPullTo(target))
	o.settles(t, edge)
	o.pass(t, edge)

	editRecord(t, edge, func(r *pass.Record) { *r = *old })
	name := pass.PullSecretName(edge)
	g.Expect(admin.Delete(t.Context(), copyIn(t, target, name))).To(Succeed())
	onRecord := ""
	o.intercepting(func(asked ask, on func() (*http.Response, error)) (*http.Response, error) {
		if asked.is(http.MethodPost, "/namespaces/"+target+"/secrets") {
			onRecord = recorded(t, edge, name)
		}
		return on()
	})
	o.pass(t, edge)
	o.settles(t, edge)
	copyIn(t, target, name)
	g.Expect(onRecord).To(Equal(target))
	g.Expect(recordOf(t, edge).Served).To(HaveKey(target))
}

// An EdgeRegistry that is older than the operator has seen it went back with etcd, and so did its record.
func TestARecordIsReadAgainOnceEtcdWentBack(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	o.pass(t, edge)
	verified := recordOf(t, edge).Verified
	g.Expect(verified).NotTo(BeNil())

	editRecord(t, edge, func(r *pass.Record) { r.Verify(edge, time.Time{}) })
	o.pass(t, edge)
	g.Expect(recordOf(t, edge).Verified).To(BeNil(), "nobody but the operator writes it, so it is not read")
	*o.seen(edge) = seenVersion{known: true, version: "9" + edge.ResourceVersion}
	o.pass(t, edge)
	g.Expect(recordOf(t, edge).Verified).NotTo(BeNil())
	g.Expect(o.mints(edge)).To(Equal(2))
}
