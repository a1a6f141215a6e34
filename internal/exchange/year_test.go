// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// A node that asked without a break for as long as a touch may have to wait holds no login that has ended; neither does anybody
// who was given one find it ended before its time. Nodes come and go at random, restart, and pull; so does the operator.
func TestNoNodeWithinReachHoldsADeadLogin(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		lifetime, renewal, span time.Duration
	}{
		"a year at the defaults":            {90 * day, 30 * day, 365 * day},
		"two months at a lifetime of a day": {day, 8 * time.Hour, 60 * day},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			random := rand.New(rand.NewPCG(18, 7)) //nolint:gosec // It plays, and has to play alike each time.
			f := fleetOf(t, 3, 12, 2, "boss", 0)
			f.step = time.Hour
			start, silentUntil, reachedSince := f.Clock.Now(), map[string]time.Time{}, map[string]time.Time{}
			ends, renewed := map[string]time.Time{f.token: start.Add(test.lifetime)}, start
			held := 0
			for f.Clock.Now().Before(start.Add(test.span)) {
				if now := f.Clock.Now(); now.Sub(renewed) >= test.renewal {
					token := fmt.Sprintf("factory.pull.%d.bbbbbbbbbbbbbbbb", len(ends)+1)
					ends[token], renewed = now.Add(test.lifetime), now
					f.rotate(token)
				}
				if random.IntN(200) == 0 {
					f.restartOperator()
				}
				for i, p := range f.players {
					now := f.Clock.Now()
					switch {
					case now.Before(silentUntil[p.ID()]):
						delete(reachedSince, p.ID())
						continue
					case reachedSince[p.ID()].IsZero():
						reachedSince[p.ID()] = now
					}
					switch random.IntN(150) {
					case 0:
						silentUntil[p.ID()] = now.Add(time.Duration(1+random.IntN(100)) * time.Hour)
						p.Silence(silentUntil[p.ID()])
					case 1:
						p.Restart()
					}
					for _, service := range f.runs[p.ID()] {
						if i%2 == 0 || random.IntN(20) == 0 {
							p.Pull(service, host, func(token string) bool { return now.Before(ends[token]) })
						}
						if within := now.Sub(reachedSince[p.ID()]) > 5*time.Hour; !within {
							continue
						}
						held++
						ok := false
						for token, end := range ends {
							ok = ok || now.Before(end) && p.Holds(service, host, token)
						}
						g.Expect(ok).To(BeTrue(), "%s has been within reach since %s, and holds a login that has ended", p.ID(), reachedSince[p.ID()])
					}
				}
				f.live(time.Hour)
			}
			g.Expect(held).To(BeNumerically(">", 10000))
		})
	}
}
