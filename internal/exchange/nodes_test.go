// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestEveryNodePullsWithTheNewLogin(t *testing.T) {
	const services, nodes = 100, 1000
	g := NewWithT(t)
	f := fleetOf(t, services, nodes, 5, "boss", 0)
	f.Forget()
	g.Expect(f.counts()).To(Equal([3]int{nodes, 0, 0}))
	f.rotate(newer)
	f.live(4 * time.Minute)
	g.Expect(f.counts()).To(Equal([3]int{0, 0, nodes}), "nobody has been asked")
	f.live(3 * time.Minute)
	g.Expect(f.counts()).To(Equal([3]int{nodes, 0, 0}))
	calls := f.count()
	g.Expect(calls["PATCH"]).To(Equal(services))
	g.Expect(calls["POST"]).To(Equal(services), "one for each service")
	f.valid = []string{newer}
	g.Expect(f.pullAll()).To(BeZero())
	f.Forget()
	f.live(3 * time.Hour)
	g.Expect(f.count()).NotTo(Or(HaveKey("POST"), HaveKey("PATCH")), "at rest nobody is asked and nothing touched")
}
