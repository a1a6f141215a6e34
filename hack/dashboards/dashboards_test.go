// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// shipped decodes a file of config/dashboards, and holds it to what this program writes.
func shipped[T any](t *testing.T, name string, made object) (decoded T) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "dashboards", name))
	g.Expect(err).NotTo(HaveOccurred())
	want, err := encode(made)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(Equal(string(want)), "run: make dashboards")
	g.Expect(json.Unmarshal(content, &decoded)).To(Succeed())
	return decoded
}

type target struct {
	RefID, Expr, LegendFormat string
}

type grafanaBoard struct {
	ID         *int
	UID        string
	Templating struct{ List []struct{ Name, Type string } }
	Panels     []struct {
		ID         int
		Type       string
		Title      string
		Datasource map[string]string
		GridPos    struct{ X, Y, W, H int }
		Targets    []target
	}
}

func TestGrafanaImportsItAnywhere(t *testing.T) {
	g := NewWithT(t)
	made := shipped[grafanaBoard](t, "grafana.json", grafana(board))
	g.Expect(made.ID).To(BeNil(), "the Grafana that imports it gives it one")
	g.Expect(made.UID).NotTo(BeEmpty(), "importing it again replaces it")
	g.Expect(made.Templating.List).To(ConsistOf(And(HaveField("Name", "datasource"), HaveField("Type", "datasource"))))

	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range made.Panels {
		g.Expect(ids).NotTo(HaveKey(p.ID), p.Title)
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				g.Expect(taken).NotTo(HaveKey([2]int{x, y}), "%s covers %s", p.Title, taken[[2]int{x, y}])
				g.Expect(x).To(BeNumerically("<", 24), "%s goes over the edge", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		g.Expect(p.Datasource).To(HaveKeyWithValue("uid", "${datasource}"), p.Title)
		g.Expect(p.Targets).NotTo(BeEmpty(), p.Title)
	}
	g.Expect(len(ids)).To(BeNumerically(">", 15))
}

type consoleBoard struct {
	Tags []string
	Rows []struct {
		Title  string
		Panels []struct {
			ID            int
			Type, Title   string
			Format, Units string
			Span          int
			Targets       []target
			Styles        []struct{ Alias, Pattern, Unit string }
			Yaxes         []struct{ Format string }
			Options       struct {
				FieldOptions struct{ Thresholds []struct{ Color string } }
			}
		}
	}
}

// TestTheConsoleKnowsAllThatItIsGiven holds to the parts of the format that the console's code reads.
func TestTheConsoleKnowsAllThatItIsGiven(t *testing.T) {
	g := NewWithT(t)
	made := shipped[consoleBoard](t, "console.json", console(board))
	formats := BeElementOf("short", "bytes", "s")
	ids := map[int]string{}
	g.Expect(made.Tags).NotTo(BeEmpty(), "the console shows them in its list, without asking whether there are any")
	for _, r := range made.Rows {
		span := 0
		for _, p := range r.Panels {
			g.Expect(ids).NotTo(HaveKey(p.ID), p.Title)
			ids[p.ID], span = p.Title, span+p.Span
			for i, q := range p.Targets {
				g.Expect(q.RefID).To(Equal(refID(i)), p.Title)
				g.Expect(q.Expr).NotTo(ContainSubstring("$"), "it has no variables")
			}
			switch p.Type {
			case "singlestat":
				g.Expect(p.Format).To(formats, p.Title)
				g.Expect(p.Targets).To(HaveLen(1), p.Title)
				g.Expect(p.Options.FieldOptions.Thresholds).To(HaveEach(HaveField("Color", BeElementOf("red", "orange", "green", "blue"))))
			case "graph":
				g.Expect(p.Yaxes).To(ConsistOf(HaveField("Format", formats)), p.Title)
				g.Expect(p.Targets).To(HaveEach(HaveField("LegendFormat", Not(BeEmpty()))), p.Title)
			case "table":
				g.Expect(p.Styles).To(HaveEach(HaveField("Alias", Not(BeEmpty()))), p.Title)
				g.Expect(p.Styles[len(p.Styles)-1].Pattern).To(Equal("Value #" + refID(len(p.Targets)-1)))
			default:
				t.Errorf("the console does not show a %s: %s", p.Type, p.Title)
			}
		}
		g.Expect(span%12).To(BeZero(), "%s does not fill its lines", r.Title)
	}
}

func TestBothDashboardsAskTheSame(t *testing.T) {
	queries := func(targets []target) (all []string) {
		for _, one := range targets {
			all = append(all, one.Expr)
		}
		return all
	}
	asked := map[string][]string{}
	for _, p := range shipped[grafanaBoard](t, "grafana.json", grafana(board)).Panels {
		if p.Type != "row" {
			asked[p.Type+p.Title] = queries(p.Targets)
		}
	}
	names := map[string]string{"singlestat": "stat", "graph": "timeseries", "table": "table"}
	for _, r := range shipped[consoleBoard](t, "console.json", console(board)).Rows {
		for _, p := range r.Panels {
			key := names[p.Type] + p.Title
			NewWithT(t).Expect(asked).To(HaveKeyWithValue(key, queries(p.Targets)))
			delete(asked, key)
		}
	}
	NewWithT(t).Expect(asked).To(BeEmpty())
}

func TestEveryPanelSaysWhatItShowsAndInWhichUnit(t *testing.T) {
	g := NewWithT(t)
	for _, r := range board {
		for _, p := range r.panels {
			g.Expect(p.description).NotTo(BeEmpty(), p.title)
			for _, q := range p.queries {
				days, hours := strings.HasSuffix(q.expr, "/ 86400") || strings.Contains(q.expr, "/ 86400 *"), strings.Contains(q.expr, "/ 3600 *")
				if days {
					g.Expect(p.title+q.name).To(ContainSubstring("(days)"), q.expr)
				}
				if hours {
					g.Expect(p.title+q.name).To(ContainSubstring("(hours)"), q.expr)
				}
				g.Expect(p.kind == graph && q.name == "").To(BeFalse(), "%s has lines without a name", p.title)
				g.Expect(p.kind == table && q.name == "").To(BeFalse(), "%s has a column without a title", p.title)
			}
		}
	}
}
