// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

// A node that asked without a break for as long as a touch may have to wait holds no login that has ended. Nodes come and go at
// random, restart, and pull; the operator restarts.
func TestNoNodeWithinReachHoldsADeadLogin(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		lifetime, renewal, span time.Duration
	}{
		"a year at the defaults":        {90 * day, 30 * day, 365 * day},
		"a year at a lifetime of a day": {day, 8 * time.Hour, 365 * day},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			y := &years{fleet: fleetOf(t, 3, 12, 2, "boss", 0), random: rand.New(rand.NewPCG(18, 7)), silentUntil: map[string]time.Time{}, since: map[string]time.Time{}}
			y.step = time.Hour
			start := y.Clock.Now()
			y.ends, y.renewed = map[string]time.Time{y.token: start.Add(test.lifetime)}, start
			for y.Clock.Now().Before(start.Add(test.span)) {
				if now := y.Clock.Now(); now.Sub(y.renewed) >= test.renewal {
					token := fmt.Sprintf("factory.pull.%d.bbbbbbbbbbbbbbbb", len(y.ends)+1)
					y.ends[token], y.renewed = now.Add(test.lifetime), now
					y.rotate(token)
				}
				if y.random.IntN(200) == 0 {
					y.restartOperator()
				}
				for i, p := range y.players {
					y.hour(i, p)
				}
				y.live(time.Hour)
			}
			g.Expect(y.held).To(BeNumerically(">", 10000))
		})
	}
}

// years is a fleet over a long time.
type years struct {
	*fleet
	random  *rand.Rand
	ends    map[string]time.Time
	renewed time.Time
	// silentUntil and since are until when each node cannot be reached, and since when it can.
	silentUntil, since map[string]time.Time
	// held counts what was compared.
	held int
}

// hour is what happens to a node in an hour.
func (y *years) hour(i int, p *exchangetest.Player) {
	y.t.Helper()
	now := y.Clock.Now()
	switch {
	case now.Before(y.silentUntil[p.ID()]):
		delete(y.since, p.ID())
		return
	case y.since[p.ID()].IsZero():
		y.since[p.ID()] = now
	}
	switch y.random.IntN(150) {
	case 0:
		y.silentUntil[p.ID()] = now.Add(time.Duration(1+y.random.IntN(100)) * time.Hour)
		p.Silence(y.silentUntil[p.ID()])
	case 1:
		p.Restart()
	}
	for _, service := range y.runs[p.ID()] {
		if i%2 == 0 || y.random.IntN(20) == 0 {
			p.Pull(service, host, func(token string) bool { return now.Before(y.ends[token]) })
		}
		if now.Sub(y.since[p.ID()]) > 5*time.Hour {
			y.held++
			y.g.Expect(y.holdsOneThatWorks(p, service)).To(BeTrue(), "%s has been within reach since %s, and holds a login that has ended", p.ID(), y.since[p.ID()])
		}
	}
}

func (y *years) holdsOneThatWorks(p *exchangetest.Player, service string) bool {
	for token, end := range y.ends {
		if y.Clock.Now().Before(end) && p.Holds(service, host, token) {
			return true
		}
	}
	return false
}
