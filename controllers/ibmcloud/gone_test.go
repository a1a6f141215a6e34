// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

// This file is about IBM Cloud saying of something that it is not there although it is.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// notThere is IBM's own answer about what it does not find, to one call.
func notThere(match func(standin.Call) bool) *standin.Fault {
	return &standin.Fault{
		Match: match, Status: http.StatusNotFound,
		Body: `{"errors":[{"code":"not_found","message_code":"BXNIM0102E","message":"Unable to find object"}],"trace":"t"}`,
	}
}

// deletes matches the deletion of one thing of a kind.
func deletes(kind string) func(standin.Call) bool {
	return func(c standin.Call) bool {
		id, is := strings.CutPrefix(c.Path, kind)
		return is && c.Method == http.MethodDelete && !strings.Contains(id, "/")
	}
}

func TestADeletionIsNotOverBecauseIBMCloudDoesNotFindSomethingOnce(t *testing.T) {
	for name, test := range map[string]struct {
		kind string
		said string
	}{
		"a key":        {"/v1/apikeys/", "key ApiKey-"},
		"a policy":     {"/v2/policies/", "policy "},
		"a service ID": {"/v1/serviceids/", "service ID ServiceId-"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, cloudtest.Delays{})
			before := w.bare()
			g.Expect(w.pass(t, false)).To(Succeed())
			fault := notThere(deletes(test.kind))
			w.Inject(fault)
			err := w.begin(t).deleteLogins(t.Context())
			g.Expect(w.Met(fault)).To(Equal(1))
			g.Expect(err).To(MatchError(And(ContainSubstring(test.said), ContainSubstring("is not there, and lists it anyway"))))
			g.Expect(pass.AsBlocked(err).Stalled).To(BeFalse(), "it is tried again by itself")
			g.Expect(w.begin(t).deleteLogins(t.Context())).To(Succeed())
			g.Expect(w.bare()).To(ConsistOf(before))
		})
	}
}

func TestANamespaceIsNotDeletedBecauseIBMCloudDoesNotFindItOnce(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	w.Inject(notThere(deletes("/api/v1/namespaces/")))
	s := w.begin(t)
	w.edge.Spec.DeletionPolicy = edgev1.DeletionDelete
	g.Expect(s.client.DeleteNamespace(t.Context(), plant, "plant-images")).NotTo(Succeed())
	g.Expect(s.namespaceIsGone(t.Context())).To(MatchError(ContainSubstring("lists it anyway")))
	g.Expect(s.client.DeleteNamespace(t.Context(), plant, "plant-images")).To(Succeed())
	g.Expect(s.namespaceIsGone(t.Context())).To(Succeed())
}

func TestAKeyIsForgottenOnlyWhenNoListHasIt(t *testing.T) {
	for name, calls := range map[string]func(standin.Call) bool{
		"as it is looked at": func(c standin.Call) bool {
			id, is := strings.CutPrefix(c.Path, "/v1/apikeys/")
			return is && c.Method == http.MethodGet && id != "details" && !strings.Contains(id, "/")
		},
		"as it is deleted": deletes("/v1/apikeys/"),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, cloudtest.Delays{})
			g.Expect(w.pass(t, false)).To(Succeed())
			old := w.published[edgev1.TokenPuller]
			w.clock.SetTime(w.clock.Now().Add(8 * time.Hour))
			g.Expect(w.pass(t, true)).To(Succeed())
			fault := notThere(calls)
			fault.Always = true
			w.Inject(fault)
			for _, after := range []time.Duration{24 * time.Hour, 25 * time.Hour} {
				w.clock.SetTime(old.IssuedAt.Add(after))
				g.Expect(w.pass(t, false)).To(Succeed())
			}
			g.Expect(w.Met(fault)).To(BeNumerically(">", 0))
			_, there := w.KeyOf(old.Token.Reveal())
			g.Expect(there).To(BeTrue())
			w.Heal()
			for _, after := range []time.Duration{26 * time.Hour, 28 * time.Hour} {
				w.clock.SetTime(old.IssuedAt.Add(after))
				g.Expect(w.pass(t, false)).To(Succeed())
			}
			_, there = w.KeyOf(old.Token.Reveal())
			g.Expect(there).To(BeFalse(), "what was not found once is deleted anyway")
		})
	}
}
