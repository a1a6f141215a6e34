// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

// This file is about what is asked of IBM Cloud while nothing is due.

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
)

// fleet are EdgeRegistries of one account and supplied key, that one operator looks after.
type fleet []*life

func newFleet(t *testing.T, size int) fleet {
	t.Helper()
	g := NewWithT(t)
	here := newLife(t, cloudtest.Delays{})
	var f fleet
	for number := range size {
		f = append(f, here.another(t, number))
	}
	f.serve(t)
	for range 2 {
		for _, l := range f {
			l.edge.Spec.IBMCloud.Publisher.Key.Lifetime.Duration, l.edge.Spec.IBMCloud.Puller.Key.Lifetime.Duration = 90*oneDay, 90*oneDay
			g.Expect(l.look(t.Context(), t)).To(Succeed())
			l.expectOne(t, 1)
		}
		here.clock.SetTime(here.clock.Now().Add(10 * time.Minute))
	}
	return f
}

// serve has one operator, which remembers nothing, look after all.
func (f fleet) serve(t *testing.T) {
	t.Helper()
	byUID := map[types.UID]*life{}
	f[0].start(t)
	f[0].provider.SaveRecord = func(ctx context.Context, s *pass.Scope) error { return byUID[s.Edge.UID].save(ctx, s) }
	for _, l := range f {
		byUID[l.edge.UID], l.provider, l.memory = l, f[0].provider, &pass.Memory{}
	}
}

// look makes a pass over all, and returns what was asked of IBM Cloud meanwhile.
func (f fleet) look(t *testing.T) map[string]int {
	t.Helper()
	f[0].Forget()
	for _, l := range f {
		before := string(l.record)
		NewWithT(t).Expect(l.look(t.Context(), t)).To(Succeed())
		NewWithT(t).Expect(unverified(t, l.record)).To(Equal(unverified(t, []byte(before))), "at rest the record stays as it is")
	}
	asked := map[string]int{}
	for _, call := range f[0].Calls() {
		asked[call.Host+" "+call.Method+" "+call.Path]++
	}
	return asked
}

// unverified is a record but for when the logins were last found to work.
func unverified(t *testing.T, written []byte) pass.Record {
	t.Helper()
	var record pass.Record
	NewWithT(t).Expect(json.Unmarshal(written, &record)).To(Succeed())
	record.Verified = nil
	return record
}

const tokenExchange = cloudtest.IAMHost + " POST /identity/token"

// hourly is what is read once an hour, however many there are. The list of 202 keys has three pages.
var hourly = map[string]int{
	cloudtest.IAMHost + " GET /v1/apikeys":         3,
	cloudtest.IAMHost + " GET /v1/apikeys/details": 1,
	"us.icr.io GET /api/v1/namespaces":             1,
	"us.icr.io GET /api/v1/quotas":                 1,
}

func TestAHundredAtRestAskAsMuchAsOne(t *testing.T) {
	g := NewWithT(t)
	const size, pause = 100, 10 * time.Minute
	f := newFleet(t, size)
	clock := f[0].clock
	clock.SetTime(clock.Now().Add(time.Hour))
	f.look(t)

	var exchanged time.Time
	day := map[string]int{}
	for range 20 {
		hour := map[string]int{}
		for range time.Hour / pause {
			clock.SetTime(clock.Now().Add(pause))
			asked := f.look(t)
			if asked[tokenExchange] > 0 {
				g.Expect(asked[tokenExchange]).To(Equal(1))
				g.Expect(clock.Now().Sub(exchanged)).To(BeNumerically(">=", 48*time.Minute))
				exchanged = clock.Now()
			}
			for what, count := range asked {
				hour[what] += count
				day[what] += count
			}
		}
		delete(hour, tokenExchange)
		g.Expect(hour).To(Equal(hourly))
	}
	g.Expect(day[tokenExchange]).To(BeNumerically("<=", 20*60/48))

	// Once a day the policies of each are read, because nothing else shows a change of them.
	clock.SetTime(clock.Now().Add(4 * time.Hour))
	asked := f.look(t)
	g.Expect(asked[cloudtest.IAMHost+" GET /v1/policies"]+asked[cloudtest.IAMHost+" GET /v2/policies"]).To(Equal(2*size), "%v", asked)

	f.serve(t)
	asked = f.look(t)
	g.Expect(asked[tokenExchange]).To(Equal(1))
	delete(asked, tokenExchange)
	g.Expect(asked).To(Equal(hourly), "another operator asks no more than an hour does")
}
