// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestWhatWasReadIsKeptForAnHour(t *testing.T) {
	g := NewWithT(t)
	reads, now := 0, time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	read := func() (int, error) {
		reads++
		return reads, nil
	}
	s := &cached[int]{}
	_, _, err := s.get(now, func() (int, error) { return 7, errors.New("clientErr") })
	g.Expect(err).To(HaveOccurred(), "what failed is not kept")
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {listLife - time.Second, 1}, {listLife, 2}, {listLife - 2*time.Hour, 3}} {
		value, _, err := s.get(now.Add(step.after), read)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(step.want), step.after.String())
	}
	s.invalidate()
	g.Expect(s.last()).To(Equal(3))
	value, at, err := s.get(now, read)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(value).To(Equal(4))
	g.Expect(at).To(Equal(now))
}

func TestEdgeRegistriesOfOneKeyShareWhatIsKnown(t *testing.T) {
	g := NewWithT(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	all := &clouds{clock: clock}
	one := all.of(credential.NewToken("supplied-key-one"), false)
	g.Expect(all.of(credential.NewToken("supplied-key-one"), false)).To(BeIdenticalTo(one))
	g.Expect(all.of(credential.NewToken("supplied-key-one"), true)).NotTo(BeIdenticalTo(one))
	g.Expect(all.of(credential.NewToken("supplied-key-two"), false)).NotTo(BeIdenticalTo(one))
	clock.SetTime(clock.Now().Add(25 * time.Hour))
	all.of(credential.NewToken("supplied-key-two"), false)
	g.Expect(all.all).To(HaveLen(1), "what nobody uses is dropped")
	g.Expect(one.in("us-south")).To(BeIdenticalTo(one.in("us-south")))
	g.Expect(one.in("us-south")).NotTo(BeIdenticalTo(one.in("eu-de")))
}
