// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestARefusalOfTheOperatorIsAnOccasionOnceItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var o Occasions
		wakes := 0
		o.Start(func() { wakes++ })
		answer := func(statuses ...int) {
			for _, status := range statuses {
				o.answered(status)
			}
			synctest.Wait()
		}
		g.Expect(o.Count()).To(BeEquivalentTo(1), "the start")
		answer(http.StatusOK, http.StatusForbidden, http.StatusConflict, http.StatusServiceUnavailable)
		answer(http.StatusUnauthorized, http.StatusUnauthorized, http.StatusServiceUnavailable)
		g.Expect(o.Count()).To(BeEquivalentTo(1), "a pass could do nothing yet")
		answer(http.StatusOK, http.StatusOK)
		g.Expect(o.Count()).To(BeEquivalentTo(2))
		g.Expect(wakes).To(Equal(1))

		// One of several API servers is out of step.
		for range 100 {
			answer(http.StatusUnauthorized, http.StatusOK)
		}
		g.Expect(o.Count()).To(BeEquivalentTo(2), "not before the pause is over")
		time.Sleep(occasionPause) //nolint:forbidigo // The clock of the bubble.
		synctest.Wait()
		g.Expect(o.Count()).To(BeEquivalentTo(3), "all of them are one")
		g.Expect(wakes).To(Equal(2))
		time.Sleep(3 * occasionPause) //nolint:forbidigo // The clock of the bubble.
		synctest.Wait()
		g.Expect(o.Count()).To(BeEquivalentTo(3))
	})
}
