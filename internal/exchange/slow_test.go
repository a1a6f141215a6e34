// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// answersAfter has each call take a time.
func (w *world) answersAfter(d time.Duration) {
	w.Inject(&standin.Fault{Always: true, Pass: true, Do: func() { w.Clock.Advance(d) }})
}

// A pass over many services of an Exchange that takes its time would hold up the EdgeRegistry's next renewal, and others'. One that
// was cut short has left no login unannounced, and the next goes on where it ended.
func TestASyncWithASlowExchangeEndsAndIsContinued(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	const services = 30
	for i := range services {
		w.AddLogin(w.publish(fmt.Sprintf("camera-%02d", i)), host, user, older)
	}
	w.answersAfter(requestTimeout / 2)
	done := 0
	for passes := 0; done < services; passes++ {
		g.Expect(passes).To(BeNumerically("<", services), "no pass goes further than the one before")
		began := w.Clock.Now()
		w.Forget()
		r := w.sync(newer)
		g.Expect(w.Clock.Now()).To(BeTemporally("<", began.Add((slow+5)*requestTimeout)), "a pass lasts on and on")
		n := w.count()
		g.Expect(n["PATCH"]).To(Equal(n["PUT"]), "nodes do not hear of a login that was written")
		synced, total := r.Count()
		g.Expect(total).To(Equal(services))
		g.Expect(synced).To(Equal(done + n["PATCH"]))
		for _, o := range r.Services {
			g.Expect(o.State == Unsettled).To(Equal(errors.Is(o.Err, errNextPass)), "who is told of %s knows why", o.Service)
		}
		done = synced
	}
}

// That there is no time to read a service once more does not mean that it lacks its login.
func TestWhatASlowExchangeIsNotAskedAgainCountsAsItWasFound(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	const services = 30
	for i := range services {
		w.publish(fmt.Sprintf("camera-%02d", i))
	}
	w.settled(newer)
	w.answersAfter(requestTimeout / 2)
	w.Clock.Advance(readAgain)
	read := map[string]int{}
	for range 4 {
		w.Forget()
		r := w.sync(newer)
		synced, _ := r.Count()
		g.Expect(synced).To(Equal(services))
		for _, c := range w.Matching(func(c standin.Call) bool { return strings.HasSuffix(c.Path, "/dockauths") }) {
			read[c.Path]++
		}
		w.Clock.Advance(ListLife)
	}
	g.Expect(read).To(HaveLen(services), "some are never read again")
}

// Services whose turn comes first, and that fail slowly each time, keep no other from its login.
func TestServicesThatFailSlowlyHoldNoOtherUp(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	const failing = 15
	for i := range failing {
		w.publish(fmt.Sprintf("camera-%02d", i))
	}
	last := w.publish("radio")
	w.Inject(&standin.Fault{
		Always: true, Status: 500, Do: func() { w.Clock.Advance(requestTimeout) },
		Match: func(c standin.Call) bool { return strings.Contains(c.Path, "camera") },
	})
	for range 4 {
		w.sync(newer)
		w.Clock.Advance(time.Minute)
	}
	g.Expect(w.logins(last)).To(Equal([]string{name(newer)}))
}

// One service for which the Exchange has no answer, as while its row is locked, keeps no login of another from nodes.
func TestOneServiceWithoutAnAnswerHoldsNoOtherUp(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.AddLogin(w.publish("camera"), host, user, older)
	var others []string
	for i := range 4 {
		others = append(others, w.publish(fmt.Sprintf("radio-%d", i)))
	}
	w.Inject(&standin.Fault{
		Always: true, Status: 504, Body: `{"code":"database-timeout","msg":""}`,
		Match: func(c standin.Call) bool { return strings.Contains(c.Path, "camera") },
	})
	for range 4 {
		_, err := w.syncer.Sync(t.Context(), w.client, wanted(newer), issuer("factory"))
		g.Expect(IsKind(err, Unavailable)).To(BeTrue())
	}
	for _, id := range others {
		g.Expect(w.logins(id)).To(Equal([]string{name(newer)}))
	}
	g.Expect(w.count()["PATCH"]).To(Equal(len(others)))
}
