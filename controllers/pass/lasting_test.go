// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestAStallIsLookedAtLessAndLessOften(t *testing.T) {
	g := NewWithT(t)
	s := newPass()
	began := s.Now
	pause := func(after time.Duration, err error) time.Duration {
		s.Now = began.Add(after)
		s.Pace(err)
		if b := AsBlocked(err); b != nil {
			return b.Retry
		}
		return 0
	}
	taken := func() error { return Stalled(edgev1.ReasonConflict, "x") }
	g.Expect(pause(0, taken())).To(Equal(retryStalled))
	g.Expect(pause(8*time.Minute, taken())).To(Equal(retryStalled), "somebody may be following the message")
	g.Expect(pause(time.Hour, taken())).To(Equal(3 * time.Minute))
	g.Expect(pause(24*time.Hour, taken())).To(Equal(retryStalledLong))
	g.Expect(pause(25*time.Hour, Stalled(edgev1.ReasonNotInvited, "y"))).To(Equal(retryStalled), "another reason")
	g.Expect(pause(50*time.Hour, taken())).To(Equal(retryStalled))
	s.Edge.Generation++
	g.Expect(pause(60*time.Hour, taken())).To(Equal(retryStalled), "another spec")
	g.Expect(pause(70*time.Hour, errors.New("z"))).To(BeZero())
	g.Expect(pause(80*time.Hour, taken())).To(Equal(retryStalled), "it was over in between")

	own := &Blocked{Reason: edgev1.ReasonConflict, Stalled: true, Retry: time.Second}
	g.Expect(pause(90*time.Hour, own)).To(Equal(time.Second), "a pause of its own stays")
}

func TestAServerElsewhereIsAskedLessAndLessOften(t *testing.T) {
	g := NewWithT(t)
	s := newPass()
	began := s.Now
	pause := func(after, asked time.Duration, stalled bool) time.Duration {
		s.Now = began.Add(after)
		b := &Blocked{Reason: edgev1.ReasonExchangeUnreachable, Remote: true, Retry: asked, Stalled: stalled}
		s.Pace(b)
		return b.Retry
	}
	g.Expect(pause(0, 0, false)).To(Equal(retryStalled), "somebody may be following the message")
	g.Expect(pause(10*time.Minute, 0, false)).To(Equal(30 * time.Second))
	g.Expect(pause(10*time.Minute, 40*time.Second, false)).To(Equal(40*time.Second), "it asks for more")
	g.Expect(pause(24*time.Hour, 0, false)).To(Equal(RetryCap))
	g.Expect(pause(24*time.Hour, 15*time.Minute, true)).To(Equal(15 * time.Minute))
	s.Pace(nil)
	g.Expect(pause(25*time.Hour, 0, false)).To(Equal(retryStalled), "it was back in between")
}
