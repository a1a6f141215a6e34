// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what the supplied API key for IBM Cloud may be used for, and where it goes.

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// made are the service IDs that were made for an EdgeRegistry.
func (w *cloudWorld) made(edge *edgev1.EdgeRegistry) []ibmcloud.ServiceIDState {
	var found []ibmcloud.ServiceIDState
	for _, one := range w.ServiceIDs(plantAccount) {
		if strings.Contains(one.Description, string(edge.UID)) {
			found = append(found, one)
		}
	}
	return found
}

func TestASuppliedKeyIsUsedForWhatItsSecretSaysAlone(t *testing.T) {
	w := startCloud(t, ibmcloud.Options{})
	w.AddAccount("accother", ibmcloud.AccountOptions{})
	stranger := w.AddKey(w.Owner("accother"))
	type mod = func(*edgev1.EdgeRegistry, *corev1.Secret)
	annotate := func(name, value string) mod {
		return func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { s.Annotations["edge.open-horizon.io/"+name] = value }
	}
	for name, test := range map[string]struct {
		change         mod
		reason, remedy string
	}{
		"no label":               {func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { s.Labels = nil }, edgev1.ReasonCredentialNotGranted, "kubectl label secret"},
		"for another":            {annotate("for", "other"), edgev1.ReasonCredentialNotGranted, "add that name to its annotation"},
		"for another namespace":  {annotate("publish-to", "other"), edgev1.ReasonCredentialNotGranted, "kubectl annotate secret"},
		"for another's images":   {annotate("registry-namespaces", "other-images"), edgev1.ReasonCredentialNotGranted, "edge.open-horizon.io/registry-namespaces=other-images," + plantImages},
		"a service ID not named": {func(e *edgev1.EdgeRegistry, _ *corev1.Secret) { e.Spec.IBMCloud.Puller.ServiceIDRef = "ServiceId-1" }, edgev1.ReasonCredentialNotGranted, "edge.open-horizon.io/service-ids=ServiceId-1"},
		"no key":                 {func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { s.Data = nil }, edgev1.ReasonCredentialUnusable, "put the key alone there"},
		"a key that is none":     {func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { s.Data["apikey"] = []byte("a key") }, edgev1.ReasonCredentialUnusable, "put the key alone there"},
		"an unknown key":         {func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { s.Data["apikey"] = []byte("unknown-key") }, edgev1.ReasonKeyRefused, "put a key that works in its place"},
		"a key of another's account": {func(e *edgev1.EdgeRegistry, s *corev1.Secret) {
			e.Spec.IBMCloud.AccountID, s.Data["apikey"] = plantAccount, []byte(stranger.Value())
		}, edgev1.ReasonAccountMismatch, "is one of account accother"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w.Forget()
			var wrong, right *corev1.Secret
			edge, _ := w.edge(t, w.all(), func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { right = s.DeepCopy() }, test.change,
				func(_ *edgev1.EdgeRegistry, s *corev1.Secret) { wrong = s })
			refused := awaitReason(t, edge, edgev1.AccountReady, test.reason)
			g.Expect(refused.Message).To(And(ContainSubstring("Secret edge-registry-credentials/"+edge.Name), ContainSubstring(test.remedy)))
			g.Expect(w.made(edge)).To(BeEmpty())
			g.Expect(w.Count(func(c standin.Call) bool { return ibmcloud.Writes(c) && !strings.HasSuffix(c.Path, "/identity/token") })).To(BeZero())
			if test.reason == edgev1.ReasonCredentialNotGranted || test.reason == edgev1.ReasonCredentialUnusable {
				g.Expect(w.Calls()).To(BeEmpty(), "the key is not even shown to IBM Cloud")
			}
			secrets := &corev1.SecretList{}
			g.Expect(admin.List(t.Context(), secrets, client.InNamespace(edge.Spec.Secrets.Namespace))).To(Succeed())
			g.Expect(secrets.Items).To(BeEmpty(), "nothing is published")
			if id := edge.Spec.IBMCloud.Puller.ServiceIDRef; id != "" {
				// Whose service ID that is has the next step to find out.
				runCommands(t, refused.Message)
				turns(t, edge, edgev1.AccountReady)
				g.Expect(awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonServiceIDMissing).Message).To(ContainSubstring("service ID " + id))
				return
			}
			edit(t, wrong, func(s *corev1.Secret) { s.Labels, s.Annotations, s.Data = right.Labels, right.Annotations, right.Data })
			turns(t, edge, edgev1.AccountReady)
		})
	}
}

func TestServiceIDsThatAreThereAreUsedAsTheyAre(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	on := ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)
	push := w.AddServiceID(plantAccount, "push", ibmcloud.Grant{Roles: []string{"Reader", "Writer"}, On: on})
	pull := w.AddServiceID(plantAccount, "pull", ibmcloud.Grant{Roles: []string{"Reader"}, On: on})
	id := func(key ibmcloud.Key) string { return strings.TrimPrefix(key.IAMID, "iam-") }
	before := len(w.ServiceIDs(plantAccount))
	policies := w.Policies(plantAccount)
	grants := append(ibmcloud.MayMintKeys(plantAccount, id(push), id(pull)), ibmcloud.Grant{Roles: []string{"Reader"}, On: on})
	edge, _ := w.edge(t, grants, func(e *edgev1.EdgeRegistry, s *corev1.Secret) {
		e.Spec.IBMCloud.RegistryNamespace.Policy = edgev1.RegistryNamespaceAdopt
		e.Spec.IBMCloud.Publisher.ServiceIDRef, e.Spec.IBMCloud.Puller.ServiceIDRef = id(push), id(pull)
		s.Annotations["edge.open-horizon.io/service-ids"] = id(push) + "," + id(pull)
	})
	awaitReady(t, edge)
	g.Expect(w.ServiceIDs(plantAccount)).To(HaveLen(before+1), "but for that of the supplied key")
	g.Expect(w.Policies(plantAccount)).To(HaveLen(len(policies)+len(grants)), "nothing is granted")
	g.Expect(condition(t, edge, edgev1.RegistryNamespaceReady).Reason).To(Equal(edgev1.ReasonAdopted))
	minted, there := w.KeyOf(tokenOf(publishedTo(t, edge, "-pull")).Reveal())
	g.Expect(there).To(BeTrue())
	g.Expect(minted.IAMID).To(Equal(pull.IAMID))

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	removed(t, edge)
	g.Expect(w.keysOf(edge, "")).To(BeEmpty())
	g.Expect(w.ServiceIDs(plantAccount)).To(HaveLen(before + 1))
	_, there = w.KeyOf(pull.Value())
	g.Expect(there).To(BeTrue(), "a key that somebody else made stays")
	g.Expect(w.Namespaces(plantAccount, cloudRegion)).To(Equal([]string{plantImages}))
}

func TestARegistryNamespaceThatIsMadeIsFound(t *testing.T) {
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all(), func(e *edgev1.EdgeRegistry, _ *corev1.Secret) {
		e.Spec.IBMCloud.RegistryNamespace.Policy = edgev1.RegistryNamespaceAdopt
	})
	stalled := awaitReason(t, edge, edgev1.RegistryNamespaceReady, edgev1.ReasonRegistryNamespaceAbsent)
	NewWithT(t).Expect(stalled.Message).To(ContainSubstring("run 'ibmcloud cr namespace-add " + plantImages + "'"))
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	turns(t, edge, edgev1.RegistryNamespaceReady)
}

func TestAServiceIDThatMayDoMoreIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	pull := w.AddServiceID(plantAccount, "pull", ibmcloud.Grant{Roles: []string{"Reader", "Writer"}, On: ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)})
	id := strings.TrimPrefix(pull.IAMID, "iam-")
	edge, _ := w.edge(t, w.all(), func(e *edgev1.EdgeRegistry, s *corev1.Secret) {
		e.Spec.IBMCloud.Puller.ServiceIDRef = id
		s.Annotations["edge.open-horizon.io/service-ids"] = id
	})
	refused := awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonRightsExcessive)
	g.Expect(refused.Message).To(ContainSubstring("do more than Reader"))
	g.Expect(w.keysOf(edge, "puller")).To(BeEmpty())
	excess := regexp.MustCompile(`policy (\S+) lets`).FindStringSubmatch(refused.Message)
	g.Expect(excess).NotTo(BeNil(), refused.Message)
	g.Expect(w.DeletePolicy(excess[1])).To(BeTrue())
	w.Grant(pull.IAMID, ibmcloud.Grant{Roles: []string{"Reader"}, On: ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)})
	turns(t, edge, edgev1.AccessGranted)
}

func TestWhatTheSuppliedKeyMayNotDoIsNamed(t *testing.T) {
	w := startCloud(t, ibmcloud.Options{})
	on := ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)
	for _, test := range []struct {
		name, condition, reason, needed string
		there                           bool
		grants                          []ibmcloud.Grant
	}{
		{"no namespace", edgev1.RegistryNamespaceReady, edgev1.ReasonRightsMissing, "the role Manager of container-registry at the level of the account", false,
			[]ibmcloud.Grant{{Roles: []string{"Reader"}, On: on}}},
		{"no policies", edgev1.AccessGranted, edgev1.ReasonRightsMissing, "Administrator of container-registry", true,
			[]ibmcloud.Grant{{Roles: []string{"Reader"}, On: on}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.there {
				w.AddNamespace(plantAccount, cloudRegion, plantImages)
			}
			edge, key := w.edge(t, test.grants)
			refused := awaitReason(t, edge, test.condition, test.reason)
			NewWithT(t).Expect(refused.Message).To(ContainSubstring(test.needed))
			for _, grant := range w.all() {
				w.Grant(key.IAMID, grant)
			}
			turns(t, edge, test.condition)
		})
	}
}
