// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The manager as config/overlays/kubernetes installs it, on a cluster that is not OpenShift.

package main

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

// reasonAPIAbsent is what an EdgeRegistry has to say on a cluster that lacks the APIs of its provider.
const reasonAPIAbsent = edgev1.ReasonAPIAbsent

// startPlain starts a control plane that has nothing of OpenShift, and returns it with the kubeconfig of the operator.
func startPlain(t *testing.T) (plain *env.Env, operator string) {
	t.Helper()
	g := NewWithT(t)
	plain, err := env.Start(t.Context(), env.Options{PlainKubernetes: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = plain.Stop() })
	config, err := plain.InstallOperator(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	operator = filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(plain.Kubeconfig(config, operator)).To(Succeed())
	return plain, operator
}

func TestOnPlainKubernetes(t *testing.T) {
	g := NewWithT(t)
	plain, operator := startPlain(t)
	m := launch(t, "--leader-elect", "--leader-elect-retry-period=1s", "--kubeconfig="+operator)
	edge := &edgev1.EdgeRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: "factory"},
		Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
	}
	g.Expect(plain.Client().Create(t.Context(), edge)).To(Succeed())
	condition := func(name string) (c metav1.Condition) {
		g.Expect(plain.Client().Get(t.Context(), client.ObjectKeyFromObject(edge), edge)).To(Succeed())
		if found := meta.FindStatusCondition(edge.Status.Conditions, name); found != nil {
			c = *found
		}
		return c
	}

	t.Run("the manager works and stays up", func(t *testing.T) {
		g := NewWithT(t)
		for _, path := range []string{"/healthz", "/readyz"} {
			g.Eventually(status(t, "http://"+m.health+path, "")).WithTimeout(soon).Should(Equal(http.StatusOK), path)
		}
		g.Eventually(func() string { return condition(edgev1.Ready).Reason }).WithTimeout(soon).
			ShouldNot(Or(BeEmpty(), Equal(edgev1.ReasonPending)))
		g.Expect(condition(edgev1.Ready).Status).To(Equal(metav1.ConditionFalse))
		g.Consistently(m.exited).WithTimeout(10 * time.Second).ShouldNot(BeClosed())
		g.Expect(status(t, "http://"+m.health+"/readyz", "")()).To(Equal(http.StatusOK))
	})

	t.Run("an openshift object says what is missing and what to do", func(t *testing.T) {
		// The overlay gives no rights on OpenShift's APIs, so the API server answers 403 before it would answer 404, and
		// the reason is RequestFailed. Take this line away once the operator asks the discovery, which everybody may read.
		g := NewWithT(t)
		for _, name := range []string{edgev1.Ready, edgev1.RegistryExposed} {
			g.Eventually(func() string { return condition(name).Reason }).WithTimeout(soon).Should(Equal(reasonAPIAbsent), name)
			c := condition(name)
			g.Expect(c.Status).To(Equal(metav1.ConditionFalse), name)
			g.Expect(c.Message).To(ContainSubstring("imageregistry.operator.openshift.io"), "what is missing")
			g.Expect(c.Message).To(MatchRegexp(`: .*OpenShift`), "what to do")
		}
	})

	t.Run("an object can be deleted", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(plain.Client().Delete(t.Context(), edge)).To(Succeed())
		g.Eventually(func() bool {
			return apierrors.IsNotFound(plain.Client().Get(t.Context(), client.ObjectKeyFromObject(edge), edge))
		}).WithTimeout(soon).Should(BeTrue())
		g.Expect(m.stop(t)).To(BeZero())
	})
}
