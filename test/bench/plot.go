// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// series is a line of a plot.
type series struct {
	name, colour string
	value        func(point) float64
}

const (
	plotWidth, plotHeight = 340, 220
	plotLeft, plotTop     = 60, 40
)

// plot draws cost against the number of objects: the time of a burst, and memory.
func plot(w io.Writer, points []point) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		2*(plotWidth+plotLeft+20), plotTop+plotHeight+50)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	panel(&b, plotLeft, "seconds until all are Ready", points, []series{
		{"operator", "#0f62fe", func(p point) float64 { return p.Operator.Seconds() }},
		{"bare client", "#8d8d8d", func(p point) float64 { return p.Bare.Seconds() }},
	})
	panel(&b, 2*plotLeft+plotWidth+20, "megabytes resident", points, []series{
		{"at most in the burst", "#8d8d8d", func(p point) float64 { return float64(p.Peak) / 1024 }},
		{"restarted, at rest", "#0f62fe", func(p point) float64 { return float64(p.Rest) / 1024 }},
		{"its watches alone, by client-go", "#198038", func(p point) float64 { return float64(p.Watches) / 1024 }},
	})
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// panel draws the axes, which begin at 0, and the lines.
func panel(b *strings.Builder, left int, title string, points []point, lines []series) {
	highest, most := 1.0, float64(points[len(points)-1].N)
	for _, p := range points {
		for _, line := range lines {
			highest = max(highest, line.value(p))
		}
	}
	x := func(n int) float64 { return float64(left) + float64(n)/most*plotWidth }
	y := func(value float64) float64 { return plotTop + plotHeight - value/highest*plotHeight }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, plotTop-20, title)
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" fill="none" stroke="black"/>`+"\n", left, plotTop, plotTop+plotHeight, left+plotWidth)
	for i := range 5 {
		value := highest * float64(i) / 4
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%.3g</text>`+"\n", left-6, y(value)+4, value)
		n := int(most) * i / 4
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(n), plotTop+plotHeight+18, n)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">objects</text>`+"\n", left+plotWidth/2, plotTop+plotHeight+38)
	for i, line := range lines {
		var path []string
		for _, p := range points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(p.N), y(line.value(p))))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(p.N), y(line.value(p)), line.colour)
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), line.colour)
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+12, plotTop+12+16*i, line.colour, line.name)
	}
}
