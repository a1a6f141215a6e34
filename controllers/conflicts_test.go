// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about pass/conflicts.go, on a control plane.

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// meeting has each write of the operator to the pull Secret met by something, while it is to be, and counts them.
func (o *operator) meeting(edge *edgev1.EdgeRegistry, left *atomic.Int64, answer func(a ask, on func() (*http.Response, error)) (*http.Response, error)) *atomic.Int64 {
	met := &atomic.Int64{}
	path := "/secrets/" + pass.PullSecretName(edge) // Once: the test reads the EdgeRegistry again meanwhile.
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if a.is(http.MethodPatch, path) && left.Add(-1) >= 0 {
			met.Add(1)
			return answer(a, on)
		}
		return on()
	})
	return met
}

func TestAConflictThatRepeatsIsToldAndNotTriedWithoutPause(t *testing.T) {
	const forEver = 1 << 30
	for _, tt := range []struct {
		name   string
		answer func(m *tenant) func(a ask, on func() (*http.Response, error)) (*http.Response, error)
	}{
		{"a webhook that answers so", func(*tenant) func(ask, func() (*http.Response, error)) (*http.Response, error) {
			return func(a ask, _ func() (*http.Response, error)) (*http.Response, error) {
				conflict := refusedPublication{code: http.StatusConflict, reason: metav1.StatusReasonConflict, message: "Operation cannot be fulfilled: the object has been modified"}
				return conflict.answer(a.Request), nil
			}
		}},
		{"a tenant who is there first each time", func(m *tenant) func(ask, func() (*http.Response, error)) (*http.Response, error) {
			return func(_ ask, on func() (*http.Response, error)) (*http.Response, error) {
				m.alter(pass.PullSecretName(m.edge), func(s *corev1.Secret) { s.Annotations["theirs"] = stamp() })
				return on()
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			edge := awaitReady(t, apply(t, newEdge()))
			m := newTenant(t, o, edge)
			left := &atomic.Int64{}
			left.Store(forEver)
			met := o.meeting(edge, left, tt.answer(m)) //nolint:bodyclose // What it answers is closed by who asked.
			m.alter(pass.PullSecretName(edge), func(s *corev1.Secret) { s.Data[handoff.KeyCA] = []byte("none") })
			// Nobody asks for a pass: it is reported anyway.
			c := awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonContested)
			g.Expect(c.Message).To(And(ContainSubstring("Secret %q in project %q", pass.PullSecretName(edge), openshift.ProjectName(edge)),
				ContainSubstring("5 passes in a row"), ContainSubstring("managedFields"), Not(ContainSubstring("\n"))))
			g.Expect(isStalled(t, edge)).To(BeTrue())
			tries := met.Load()
			g.Expect(tries).To(BeNumerically(">=", conflictsUnreported))
			g.Consistently(met.Load).WithTimeout(5*time.Second).WithPolling(often).Should(BeNumerically("<=", tries+1), "by the operator's clock no time has passed")
			o.pass(t, edge)
			g.Expect(met.Load()).To(BeNumerically(">", tries), "a person who asks is answered")
			g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonContested))
			tries = met.Load()
			o.advance(pass.RetryCap)
			m.alter(pass.PullSecretName(edge), func(s *corev1.Secret) { s.Annotations["theirs"] = stamp() })
			g.Eventually(met.Load).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", tries))

			left.Store(0)
			o.advance(pass.RetryCap)
			heals(t, edge)
			g.Expect(string(secretOf(t, edge, pass.PullSecretName(edge)).Data[handoff.KeyCA])).To(ContainSubstring("BEGIN CERTIFICATE"))

			// The next ones are counted from the start.
			left.Store(conflictsUnreported - 1)
			m.alter(pass.PullSecretName(edge), func(s *corev1.Secret) { s.Data[handoff.KeyCA] = []byte("none") })
			g.Eventually(func() bool {
				g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue), "few conflicts are not told")
				return strings.Contains(string(secretOf(t, edge, pass.PullSecretName(edge)).Data[handoff.KeyCA]), "BEGIN CERTIFICATE")
			}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
			g.Expect(left.Load()).To(BeNumerically("<=", 0))
		})
	}
}
