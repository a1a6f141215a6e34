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

// withoutRepository is an EdgeRegistry that is Ready, and whose repository is there as soon as the registry has no answer of its
// own.
func withoutRepository(t *testing.T) (*otherRegistry, *edgev1.EdgeRegistry) {
	t.Helper()
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
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	awaitReady(t, apply(t, edge))
	absent := condition(t, edge, edgev1.RegistryVerified)
	g.Expect(absent.Reason).To(Equal(edgev1.ReasonNotProven))
	g.Expect(absent.Message).To(ContainSubstring("does not exist yet"))
	awaitRest(t)
	return r, edge
}

// The first push is found long before the next trial is due, by one request each time that it is looked for.
func TestTheFirstPushIsFoundBeforeTheIntervalIsOver(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, anyHost)
	r, edge := withoutRepository(t)
	absent := condition(t, edge, edgev1.RegistryVerified)
	passFor := func(later time.Duration) (asked []string) {
		t.Helper()
		r.change(func() { r.requests = nil })
		o.clock.SetTime(o.clock.Now().Add(later))
		o.pass(t, edge)
		r.change(func() { asked = r.requests })
		return asked
	}

	look := []string{"GET /v2/plant/edge/probe/tags/list"}
	g.Expect(passFor(50 * time.Second)).To(BeEmpty())
	g.Expect(passFor(10 * time.Second)).To(Equal(look))
	g.Expect(passFor(90*time.Second)).To(BeEmpty(), "the pauses grow")
	g.Expect(passFor(30 * time.Second)).To(Equal(look))
	g.Expect(condition(t, edge, edgev1.RegistryVerified)).To(Equal(absent))

	r.change(func() { r.answer = nil })
	g.Expect(passFor(4 * time.Minute)).To(HaveLen(len(look) + 5))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
	g.Expect(passFor(10 * time.Minute)).To(BeEmpty())
}

// What a look meets changes no verdict, and the next one is made anyway.
func TestALookThatMeetsAFaultSaysNothing(t *testing.T) {
	o := startOperator(t, anyHost)
	for name, fault := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>welcome</html>")
		},
		"too busy": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"broken": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a reset": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, edge := withoutRepository(t)
			absent := condition(t, edge, edgev1.RegistryVerified)
			asked := func() (n int) {
				r.change(func() { n = len(r.requests) })
				return n
			}
			r.change(func() {
				r.requests = nil
				r.answer = func(w http.ResponseWriter, req *http.Request) bool {
					fault(w, req)
					return true
				}
			})
			o.clock.SetTime(o.clock.Now().Add(time.Minute))
			poke(t, edge)
			g.Eventually(asked).WithTimeout(soon).WithPolling(often).Should(Equal(1))
			awaitRest(t)
			g.Expect(asked()).To(Equal(1))
			g.Expect(condition(t, edge, edgev1.RegistryVerified)).To(Equal(absent))

			r.change(func() { r.answer = nil })
			o.clock.SetTime(o.clock.Now().Add(2 * time.Minute))
			poke(t, edge)
			g.Eventually(func() string { return condition(t, edge, edgev1.RegistryVerified).Reason }).WithTimeout(soon).WithPolling(often).Should(Equal(edgev1.ReasonVerified))
		})
	}
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
