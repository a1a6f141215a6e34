// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// chart is where docs/exchange.md shows nodes after a rotation.
const chart = "../../docs/nodes.svg"

// The picture in the docs is what the operator says of nodes, and what these hold, minute by minute. RECORD=1 draws it again.
func TestThePictureOfNodesIsWhatIsSeen(t *testing.T) {
	const nodes, hours = 1000, 6
	g := NewWithT(t)
	f := fleetOf(t, 100, nodes, 5, "boss", 0)
	for i, p := range f.players[:60] {
		// The gateways of two sites.
		silence := 3 * time.Hour
		if i%3 == 0 {
			silence = 5 * time.Hour
		}
		p.Silence(f.Clock.Now().Add(silence))
	}
	f.step = time.Minute
	f.rotate(newer)
	var hold, confirmed, late []int
	for range hours * 12 {
		f.live(5 * time.Minute)
		holding := 0
		for id, services := range f.runs {
			all := true
			for _, service := range services {
				all = all && f.byID[id].Holds(service, host, newer)
			}
			if all {
				holding++
			}
		}
		hold, confirmed, late = append(hold, holding), append(confirmed, f.report.Nodes.Confirmed), append(late, f.report.Nodes.Late)
	}
	g.Expect(confirmed[len(confirmed)-1]).To(Equal(nodes))
	drawn := draw(hold, confirmed, late)
	if os.Getenv("RECORD") != "" {
		g.Expect(os.WriteFile(chart, []byte(drawn), 0o600)).To(Succeed())
	}
	kept, err := os.ReadFile(chart)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(kept)).To(Equal(drawn), "draw it again: RECORD=1 go test ./internal/exchange -run TestThePictureOfNodesIsWhatIsSeen")
}

// draw draws values of each five minutes as steps, from zero at the rotation.
func draw(hold, confirmed, late []int) string {
	const width, height, left, top = 640, 220, 48, 28
	x := func(i int) int { return left + i*(width-left-16)/len(hold) }
	y := func(n int) int { return top + height - n*height/1000 }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, top+height+44)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, top+height+44)
	for n := 0; n <= 1000; n += 250 {
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#ddd"/><text x="%d" y="%d" text-anchor="end">%d</text>`+"\n", left, y(n), width-16, left-6, y(n)+4, n)
	}
	for hour := 0; hour*12 <= len(hold); hour++ {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%d h</text>`+"\n", x(hour*12), top+height+18, hour)
	}
	for i, line := range []struct {
		name, colour, dash string
		values             []int
	}{
		{"hold the current login", "#888", "6 3", hold},
		{"confirmed", "#0a6", "none", confirmed},
		{"late", "#c30", "none", late},
	} {
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s" d="M%d %d`, line.colour, line.dash, x(0), y(0))
		for at, n := range line.values {
			fmt.Fprintf(&b, "H%dV%d", x(at+1), y(n))
		}
		fmt.Fprintf(&b, `"/><text x="%d" y="16" fill="%s">%s</text>`+"\n", left+i*180, line.colour, line.name)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">time since the rotation; 1,000 nodes</text>`+"\n</svg>\n", width/2, top+height+38)
	return b.String()
}
