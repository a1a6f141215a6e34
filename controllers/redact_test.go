// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about secrets that others repeat: the operator shows none of them anywhere.

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// formsOf are how others may repeat a secret.
func formsOf(secret string) []string {
	inJSON, _ := json.Marshal(map[string]string{"password": secret})
	return []string{
		secret, url.QueryEscape(secret), string(inJSON),
		base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("u:" + secret)),
		base64.RawURLEncoding.EncodeToString([]byte("user:" + secret + ":")),
	}
}

// showsAny reports whether a text holds one of the forms, or what stays of it where the text is cut or quoted.
func showsAny(text, secret string) bool {
	for _, form := range formsOf(secret) {
		if trimmed := strings.Trim(form, `{}"=`); strings.Contains(text, trimmed[len(trimmed)-16:len(trimmed)-2]) {
			return true
		}
	}
	return false
}

// What a step did not make one line is looked at on its way into the status and the events: there is one to each.
func TestNoMessageHoldsASecretThatAStepTellsByMistake(t *testing.T) {
	g := NewWithT(t)
	secret := "redact_test: told / by mistake"
	credential.Know(secret)
	o := directOperator(t)
	before := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.Suspend = true }))
	after := before.DeepCopy()
	copies := &edgev1.CopiesStatus{}
	after.Status.Secrets = []edgev1.SecretStatus{{Role: edgev1.SecretPublish, Name: "a", Namespace: "b", Copies: copies}, {Role: edgev1.SecretPull, Name: "c", Namespace: "d"}}
	for i, form := range formsOf(secret) {
		after.Status.Conditions = append(after.Status.Conditions, metav1.Condition{
			Type: fmt.Sprint("Type", i), Status: metav1.ConditionFalse, Reason: "Told", Message: "a " + form, LastTransitionTime: metav1.Now(),
		})
		copies.Failed = append(copies.Failed, edgev1.CopyFailure{Namespace: fmt.Sprint("n", i), Reason: "Told", Message: "a " + form})
	}
	g.Expect(showsAny(written(t, after.Status), secret)).To(BeTrue(), "the test would see it")
	g.Expect(o.writeStatus(t.Context(), before, after)).To(Succeed())
	status := written(t, reload(t, after).Status)
	g.Expect(showsAny(status, secret)).To(BeFalse())
	g.Expect(strings.Count(status, "[redacted]")).To(Equal(2 * len(formsOf(secret))))

	running := startOperator(t)
	for i, form := range formsOf(secret) {
		running.Recorder.Eventf(before, nil, "Normal", fmt.Sprint("Told", i), "Reconcile", "%s", "a "+form)
	}
	eventsText := func() string { return written(t, eventsOf(t, before)) }
	g.Eventually(func() int { return strings.Count(eventsText(), "[redacted]") }).WithTimeout(soon).Should(Equal(len(formsOf(secret))))
	g.Expect(showsAny(eventsText(), secret)).To(BeFalse())
}

func written(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// A short secret, such as the password of a login that somebody supplied, is under the size of a token. A webhook repeats it
// in each form, and none is shown: not in the status, in events, in the log or in the labels of metrics.
func TestAShortSecretThatAWebhookRepeatsIsToldNowhere(t *testing.T) {
	g := NewWithT(t)
	secret := "redact_test: pa/s$ wörd"
	credential.Know(secret)
	o := startOperator(t)
	refusing := &atomic.Bool{}
	refusing.Store(true)
	refusal := refusedPublication{
		code: http.StatusForbidden, reason: metav1.StatusReasonForbidden, message: "a webhook denied it: " + strings.Join(formsOf(secret), " | "),
	}
	refusal.install(o, refusing)
	edge := apply(t, newEdge())
	g.Eventually(func() string { return condition(t, edge, edgev1.SecretsPublished).Message }).WithTimeout(soon).
		Should(ContainSubstring("a webhook denied it"))
	notes := func() (notes string) {
		for _, event := range eventsOf(t, edge) {
			notes += event.Note + "\n"
		}
		return notes
	}
	g.Eventually(notes).WithTimeout(soon).Should(ContainSubstring("a webhook denied it"))
	ctrl.Log.Error(errors.New(refusal.message), "Reconciler error")
	families, err := crmetrics.Registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	canary.mu.Lock()
	log := canary.text.String()
	canary.mu.Unlock()
	g.Expect(log).To(ContainSubstring("a webhook denied it"))
	for place, text := range map[string]string{
		"status": condition(t, edge, edgev1.SecretsPublished).Message + condition(t, edge, edgev1.Ready).Message,
		"events": notes(), "log": log, "metrics": fmt.Sprint(families),
	} {
		g.Expect(showsAny(text, secret)).To(BeFalse(), place)
	}
}
