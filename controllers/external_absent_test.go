// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about a repository that is named to try rights on, and is not there yet.

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// The first push is found long before the next trial is due, by one request each time that it is looked for.
func TestTheFirstPushIsFoundBeforeTheIntervalIsOver(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	r.answer = func(w http.ResponseWriter, req *http.Request) bool {
		absent := req.Header.Get("Authorization") != "" && strings.HasPrefix(req.URL.Path, "/v2/plant/edge/probe/")
		if absent {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[{"code":"NAME_UNKNOWN"}]}`)
		}
		return absent
	}
	o := startOperator(t, anyHost)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	awaitReady(t, apply(t, edge))
	absent := condition(t, edge, edgev1.RegistryVerified)
	g.Expect(absent.Reason).To(Equal(edgev1.ReasonNotProven))
	g.Expect(absent.Message).To(ContainSubstring("does not exist yet"))
	awaitRest(t)
	passFor := func(later time.Duration) (asked []string) {
		t.Helper()
		r.change(func() { r.requests = nil })
		o.clock.SetTime(o.clock.Now().Add(later))
		before, _ := passes()
		poke(t, edge)
		g.Eventually(passes).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", before))
		awaitRest(t)
		r.change(func() { asked = r.requests })
		return asked
	}

	look := []string{"GET /v2/plant/edge/probe/tags/list"}
	g.Expect(passFor(50 * time.Second)).To(BeEmpty())
	g.Expect(passFor(10 * time.Second)).To(Equal(look))
	g.Expect(passFor(90 * time.Second)).To(BeEmpty(), "the pauses grow")
	g.Expect(passFor(30 * time.Second)).To(Equal(look))
	g.Expect(condition(t, edge, edgev1.RegistryVerified)).To(Equal(absent))

	r.change(func() { r.answer = nil })
	g.Expect(passFor(4 * time.Minute)).To(HaveLen(len(look) + 5))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
	g.Expect(passFor(10 * time.Minute)).To(BeEmpty())
}

func TestTheLooksAreNoOftenerThanTheyNeedToBe(t *testing.T) {
	for name, test := range map[string]struct {
		looks          int
		interval, want time.Duration
	}{
		"the first": {0, time.Hour, time.Minute}, "the next": {3, time.Hour, 8 * time.Minute}, "no later than a trial": {6, time.Hour, time.Hour},
		"of a short interval": {0, time.Minute, time.Minute}, "after days": {1000, 30 * time.Minute, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect((&verdict{looks: test.looks}).lookPause(test.interval)).To(Equal(test.want))
		})
	}
}
