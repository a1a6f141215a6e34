// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

// This file is about what goes wrong with any one call to IBM Cloud.

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// another is one EdgeRegistry more of the same account and supplied key, with a registry namespace and an operator of its own.
func (l *life) another(t *testing.T, number int) *life {
	t.Helper()
	w := *l.world
	w.edge = l.edge.DeepCopy()
	w.edge.Name, w.edge.UID = fmt.Sprintf("plant-%d", number), types.UID(fmt.Sprintf("%08d-4b5a-6978-8796-a5b4c3d2e1f0", number))
	w.edge.Spec.IBMCloud.RegistryNamespace.Name = w.edge.Name
	w.record, w.published = []byte("{}"), map[edgev1.TokenRole]pass.Credential{}
	next := &life{world: &w, promised: map[string]promise{}}
	// What the registry accepts is not what is asked here.
	next.accepts = func(*testing.T, credential.Token) bool { return true }
	next.start(t)
	return next
}

// toManagement matches all calls of the operator but those for images.
func toManagement(c standin.Call) bool {
	return c.Host == cloudtest.IAMHost || strings.HasPrefix(c.Path, "/api/")
}

// lived makes passes until nothing is left to be done at a time.
func (l *life) lived(t *testing.T, at time.Time) {
	t.Helper()
	l.clock.SetTime(at)
	var err error
	for range 20 {
		if err = l.look(t.Context(), t); err == nil {
			return
		}
		l.clock.SetTime(l.clock.Now().Add(time.Minute))
	}
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// all its ages: from nothing, a renewal, and the end of the earlier keys in two steps. meanwhile is what the first pass of
// each meets.
func (l *life) ages(t *testing.T, meanwhile func() context.Context) {
	t.Helper()
	begun := l.clock.Now()
	for _, after := range []time.Duration{0, 21 * oneDay, 31 * oneDay, 32 * oneDay} {
		l.clock.SetTime(begun.Add(after))
		if err := l.look(meanwhile(), t); err != nil {
			for _, key := range append(l.all, credential.NewToken(l.key.Value())) {
				NewWithT(t).Expect(err.Error()).NotTo(ContainSubstring(key.Reveal()))
			}
		}
		l.lived(t, l.clock.Now().Add(time.Minute))
	}
	l.lived(t, l.clock.Now().Add(2*time.Hour))
}

// expectSecond expects that of each login the second key is there, alone.
func (l *life) expectSecond(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	l.expectOne(t, 1)
	for _, c := range l.published {
		g.Expect(c.Generation).To(BeEquivalentTo(2))
	}
	g.Expect(l.Namespaces(plant, "us-south")).To(ContainElement(l.edge.Name))
	var record pass.Record
	g.Expect(json.Unmarshal(l.record, &record)).To(Succeed())
	for _, issued := range record.Issued {
		g.Expect(issued.EndedAt.IsZero()).To(Equal(issued.Generation == 2))
	}
}

// vanish deletes all that was made, so that every EdgeRegistry finds the same account.
func (l *life) vanish(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(l.begin(t).deleteLogins(t.Context())).To(Succeed())
	g.Expect(l.oursOf("")).To(BeEmpty())
	g.Expect(l.RemoveNamespace("us-south", l.edge.Name)).To(Succeed())
}

// share of the calls meet each of the faults: with FAULTS=all in the environment all of them do, and there are as many cases at
// least. It is suite R of docs/internal/reliability.md.
const (
	share                = 6
	quickCases, allCases = 110, 720
)

func TestWhateverGoesWrongWithACallTheNextPassesEndInTheSame(t *testing.T) {
	// What was refused has made nothing; of the others nobody knows.
	answers := map[string]struct {
		fault  standin.Fault
		commit bool
	}{
		"401":            {standin.Fault{Status: http.StatusUnauthorized}, false},
		"403":            {standin.Fault{Status: http.StatusForbidden}, false},
		"404":            {standin.Fault{Status: http.StatusNotFound}, false},
		"409":            {standin.Fault{Status: http.StatusConflict}, false},
		"429":            {*standin.TooMany(nil, time.Minute), false},
		"500":            {standin.Fault{Status: http.StatusInternalServerError}, true},
		"no answer":      {standin.Fault{}, true},
		"an HTML page":   {*standin.HTML(nil, http.StatusOK), true},
		"five megabytes": {*standin.Huge(nil), true},
		"it hangs":       {standin.Fault{Hang: true}, true},
	}
	here := newLife(t, cloudtest.Delays{})
	whole := here.another(t, 0)
	here.Forget()
	whole.ages(t, t.Context)
	whole.expectSecond(t)
	var calls []standin.Call
	for _, call := range here.Calls() {
		if toManagement(call) {
			calls = append(calls, call)
		}
	}
	whole.vanish(t)
	NewWithT(t).Expect(len(calls)).To(BeNumerically(">", 40))
	begun, number, everything := time.Now(), 0, os.Getenv("FAULTS") == "all"
	for kind, name := range slices.Sorted(maps.Keys(answers)) {
		answer := answers[name]
		for _, commit := range []bool{false, true} {
			if commit && !answer.commit {
				continue
			}
			for at, call := range calls {
				if commit && !cloudtest.Writes(call) || !everything && (at+kind)%share != 0 {
					continue
				}
				number++
				t.Run(fmt.Sprintf("%s at call %d, %s, committed %v", name, at, call, commit), func(t *testing.T) {
					l := here.another(t, number)
					fault := answer.fault
					fault.Match, fault.Skip, fault.Commit = toManagement, at, commit
					l.ages(t, l.inject(t, &fault))
					NewWithT(t).Expect(l.Met(&fault)).To(Equal(1))
					l.Heal()
					l.expectSecond(t)
					l.vanish(t)
				})
			}
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "suite R: cases %d, time %s\n", number, time.Since(begun).Round(time.Second))
	floor := quickCases
	if everything {
		floor = allCases
	}
	NewWithT(t).Expect(number).To(BeNumerically(">=", floor), "cases got lost")
}

// inject injects a fault, and returns the context of passes. A pass in which a call hangs is cut off, as the manager does it.
func (l *life) inject(t *testing.T, fault *standin.Fault) func() context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if fault.Hang {
		fault.Do = cancel
	}
	l.Inject(fault)
	return func() context.Context {
		if ctx.Err() != nil {
			return t.Context()
		}
		return ctx
	}
}
