// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about messages of EdgeRegistries at IBM Cloud: what each advises is done, and the condition turns at the pass that the
// operator had asked for, by its clock.

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/platform"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// directCloud is a cloud with an operator that makes its passes by hand.
func directCloud(t *testing.T, options ibmcloud.Options) *cloudWorld {
	t.Helper()
	w := newCloud(t, options)
	w.operator = directAt(t, w.clock, w.reaches(w.Cloud.DialContext))
	return w
}

func TestWhoClearsTheWayToIBMCloudSeesTheConditionTurn(t *testing.T) {
	w, way := newCloud(t, ibmcloud.Options{}), &detour{}
	inspector := platform.NewCA("proxy that inspects")
	inspecting := insteadOfTheRouter(t, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{inspector.Leaf(ibmcloud.Hosts()...)}},
		func(rw http.ResponseWriter, r *http.Request) { w.Cloud.ServeHTTP(rw, r) })
	meets := func(f *standin.Fault) func() {
		return func() {
			f.Match, f.Always = showsItsToken, true
			w.Inject(f)
		}
	}
	goes := func(dial dialFunc) func() { return func() { way.set(dial) } }
	for name, c := range map[string]away{
		"a gateway that cannot serve": {meets(standin.HTML(nil, http.StatusInternalServerError)), w.Heal, "", edgev1.ReasonIBMCloudUnavailable,
			[]string{"IBM Cloud at iam.cloud.ibm.com", "it cannot serve now, with 500", "IBM Cloud's status page"}},
		"a page": {meets(standin.HTML(nil, http.StatusOK)), w.Heal, "", edgev1.ReasonIBMCloudUnexpected,
			[]string{"IBM Cloud at iam.cloud.ibm.com", "check what answers at that host"}},
		"a proxy that inspects TLS": {goes(inspecting), goes(w.Cloud.DialContext), "", edgev1.ReasonIBMCloudUntrusted,
			[]string{"IBM Cloud at iam.cloud.ibm.com", "a proxy that inspects TLS has to leave out IBM Cloud's hosts"}},
	} {
		t.Run(name, func(t *testing.T) {
			// One that has no connection open yet.
			way.set(w.Cloud.DialContext)
			w.operator = directAt(t, w.clock, w.reaches(way.DialContext))
			edge, _ := w.edge(t, w.all())
			c.condition = edgev1.AccountReady
			w.turnsWhenItEnds(t, edge, c)
		})
	}
	t.Run("the CA of the proxy", func(t *testing.T) {
		way.set(inspecting)
		edge, _ := w.edge(t, w.all())
		trusting := func(r *EdgeRegistryReconciler) { r.SystemRoots.AddCert(inspector.Certificate()) }
		w.operator = directAt(t, w.clock, w.reaches(way.DialContext))
		w.comesTo(t, edge, edgev1.AccountReady, edgev1.ReasonIBMCloudUntrusted)
		NewWithT(t).Expect(condition(t, edge, edgev1.AccountReady).Message).To(ContainSubstring("or its CA has to be among those that the operator's pod trusts"))
		directAt(t, w.clock, w.reaches(way.DialContext), trusting).settles(t, edge)
	})
}

func TestWhoAllowsTheOperatorsAddressSeesTheConditionTurn(t *testing.T) {
	w := directCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all())
	w.Inject(&standin.Fault{Match: showsItsToken, Always: true, Status: http.StatusForbidden, Body: keyRestricted})
	w.comesTo(t, edge, edgev1.AccountReady, edgev1.ReasonKeyRestricted)
	expectHeldUp(t, edge, edgev1.AccountReady, edgev1.ReasonKeyRestricted, true, "allow that in the account's or the identity's list of allowed addresses")
	w.turnsByItself(t, edge, edgev1.AccountReady, w.Heal)
}

func TestWhoMakesRoomAtIBMCloudSeesTheConditionTurn(t *testing.T) {
	t.Run("service IDs", func(t *testing.T) {
		w := directCloud(t, ibmcloud.Options{})
		w.AddAccount(plantAccount, ibmcloud.AccountOptions{ServiceIDs: 3})
		stale := w.AddServiceID(plantAccount, "nobody uses it")
		edge, _ := w.edge(t, w.all())
		w.comesTo(t, edge, edgev1.AccessGranted, edgev1.ReasonLimitReached)
		expectHeldUp(t, edge, edgev1.AccessGranted, edgev1.ReasonLimitReached, true, "delete those that nobody uses, or have IBM raise the limit")
		w.turnsByItself(t, edge, edgev1.AccessGranted, func() { w.DeleteServiceID(strings.TrimPrefix(stale.IAMID, "iam-")) })
	})
	t.Run("keys", func(t *testing.T) {
		g := NewWithT(t)
		w := directCloud(t, ibmcloud.Options{})
		w.AddAccount(plantAccount, ibmcloud.AccountOptions{Keys: 2})
		edge, _ := w.edge(t, w.all())
		w.settles(t, edge)
		puller := w.keysOf(edge, "puller")
		g.Expect(puller).To(HaveLen(1))
		stale := w.AddKey(puller[0].IAMID)
		annotate(t, edge, edgev1.RotateAnnotation, "1")
		w.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonLimitReached)
		expectHeldUp(t, edge, edgev1.CredentialsIssued, edgev1.ReasonLimitReached, true,
			"service ID "+strings.TrimPrefix(puller[0].IAMID, "iam-"), "has 2 keys, and may have 2: delete those that nobody uses")
		w.turnsByItself(t, edge, edgev1.CredentialsIssued, func() { w.DeleteKey(stale.ID) })
		g.Expect(w.keysOf(edge, "puller")).To(HaveLen(2))
	})
}

func TestWhoWaitsForTheNameOfARegistryNamespaceSeesTheConditionTurn(t *testing.T) {
	const minutes = 4 * time.Minute
	w := directCloud(t, ibmcloud.Options{Delays: &ibmcloud.Delays{Tombstone: minutes}})
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	NewWithT(t).Expect(w.RemoveNamespace(cloudRegion, plantImages)).To(Succeed())
	edge, _ := w.edge(t, w.all())
	w.comesTo(t, edge, edgev1.RegistryNamespaceReady, edgev1.ReasonRegistryNamespaceTaken)
	expectHeldUp(t, edge, edgev1.RegistryNamespaceReady, edgev1.ReasonRegistryNamespaceTaken, true, "or wait a few minutes")
	w.turnsByItself(t, edge, edgev1.RegistryNamespaceReady, func() { w.advance(minutes) })
}

// Where the message asks for another EdgeRegistry, that one is made as it says, and turns Ready.
func TestWhoMakesAnotherEdgeRegistryAtIBMCloudSeesItReady(t *testing.T) {
	type mod = func(*edgev1.EdgeRegistry, *corev1.Secret)
	w := directCloud(t, ibmcloud.Options{})
	w.AddAccount("accother", ibmcloud.AccountOptions{})
	w.AddNamespace("accother", cloudRegion, "taken-images")
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	images := func(name string) mod {
		return func(e *edgev1.EdgeRegistry, s *corev1.Secret) {
			e.Spec.IBMCloud.RegistryNamespace.Name, s.Annotations["edge.open-horizon.io/registry-namespaces"] = name, name
		}
	}
	pullsAs := func(id string) mod {
		return func(e *edgev1.EdgeRegistry, s *corev1.Secret) {
			e.Spec.IBMCloud.Puller.ServiceIDRef, s.Annotations["edge.open-horizon.io/service-ids"] = id, id
		}
	}
	made := w.AddServiceID(plantAccount, "pull", ibmcloud.Grant{Roles: []string{"Reader"}, On: ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)})
	for name, test := range map[string]struct {
		condition, reason string
		says              []string
		wrong, right      mod
	}{
		"the registry namespace is another's": {edgev1.RegistryNamespaceReady, edgev1.ReasonRegistryNamespaceTaken,
			[]string{"choose another name in another EdgeRegistry"}, images("taken-images"), images("other-images")},
		"the service ID does not exist": {edgev1.AccessGranted, edgev1.ReasonServiceIDMissing,
			[]string{"make one, with Reader on registry namespace", "and name that in another EdgeRegistry"}, pullsAs("ServiceId-1"), pullsAs(strings.TrimPrefix(made.IAMID, "iam-"))},
	} {
		t.Run(name, func(t *testing.T) {
			edge, _ := w.edge(t, w.all(), test.wrong)
			w.comesTo(t, edge, test.condition, test.reason)
			expectHeldUp(t, edge, test.condition, test.reason, true, test.says...)
			other, _ := w.edge(t, w.all(), test.right)
			w.settles(t, other)
		})
	}
}
