// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about messages that ask for another operator, or for another EdgeRegistry: it is made as they say, and is Ready.

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

func TestWhoAllowsAHostSeesTheEdgeRegistryReady(t *testing.T) {
	r := startOtherRegistry(t)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	apply(t, edge)
	allowing := func(hosts string) *operator {
		return directOperator(t, func(r *EdgeRegistryReconciler) { r.DialContext, r.ExternalHosts = nil, []string{hosts} })
	}
	allowing("*.example.com").comesTo(t, edge, edgev1.RegistryTrusted, edgev1.ReasonHostNotAllowed)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonHostNotAllowed, true,
		"nothing is sent to "+r.host+", which the operator's flag --external-hosts does not name: have an admin of the cluster add it there")
	allowing(r.host).settles(t, edge)
}

// An earlier version reads no field that it does not know.
func TestWhoRunsTheVersionThatKnowsAProviderSeesTheEdgeRegistryReady(t *testing.T) {
	edge := apply(t, newEdge())
	earlier := directOperator(t)
	earlier.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/edgeregistries/"+edge.Name) {
			return answer, err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(`"openshift":`), []byte(`"unknown":`))))
		return answer, err
	})
	earlier.comesTo(t, edge, edgev1.Ready, edgev1.ReasonProviderUnknown)
	expectHeldUp(t, edge, edgev1.Ready, edgev1.ReasonProviderUnknown, true, "run a version that knows the one in use, or make another EdgeRegistry with one of these")
	directOperator(t).settles(t, edge)
}

func TestWhoTakesAnotherProjectSeesTheEdgeRegistryReady(t *testing.T) {
	o := directOperator(t)
	edge := apply(t, newEdge(inProject(operatorNamespace)))
	o.comesTo(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectReserved)
	expectHeldUp(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectReserved, true, "use another EdgeRegistry with another spec.openshift.project.name")
	o.settles(t, apply(t, newEdge()))
}

func TestWhoStartsTheOperatorSeesTheConditionTurn(t *testing.T) {
	edge := apply(t, newEdge())
	waits := condition(t, edge, edgev1.Ready)
	NewWithT(t).Expect(waits).To(And(HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", edgev1.ReasonPending)))
	startOperator(t)
	turns(t, edge, edgev1.Ready)
}

// A plain user, who sees the services of all, may write its own alone. A change of the Secret is watched.
func TestWhoTakesAnAdministratorForAllServicesSeesTheConditionTurn(t *testing.T) {
	startOperator(t)
	edge := newEdge()
	x, secret := exchangeWith(t, edge, exchangetest.Options{SeesAll: true})
	edge.Spec.Exchanges[0].Owner = edgev1.ExchangeOrganization
	x.Publish(organization+"/bob", exchangetest.Definition{URL: "bobs", Image: openShift.Host() + "/" + edge.Name + "/camera"})
	x.AddUser(organization, "root", exchangePassword, true)
	awaitReason(t, apply(t, edge), edgev1.ExchangeUpdated, edgev1.ReasonServicesFailed)
	expectHeldUp(t, edge, edgev1.ExchangeUpdated, edgev1.ReasonServicesFailed, true, "lacks the current login in 1 of 1 services: plant/bobs_1.0.0_amd64", "use the user that owns the service, or an administrator of the organisation")
	edit(t, secret, func(s *corev1.Secret) { s.Data[exchange.KeyAuth] = []byte("root:" + exchangePassword) })
	turns(t, edge, edgev1.ExchangeUpdated)
}
