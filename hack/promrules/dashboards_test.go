// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package promrules_test has Prometheus' own engine evaluate what this
// repository ships for it.
package promrules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/teststorage"
)

const dashboards = "../../config/dashboards/"

type dashboard struct {
	Rows []struct{ Panels []panel }
}

// panel is one of the console's dashboard. Grafana's has the same queries, which a test beside their generator checks.
type panel struct {
	Title, Type string
	Targets     []struct{ Expr, LegendFormat string }
	Styles      []struct{ Pattern, Alias string }
}

func panels(t *testing.T) (all []panel) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(dashboards + "console.json")
	g.Expect(err).NotTo(HaveOccurred())
	var d dashboard
	g.Expect(json.Unmarshal(content, &d)).To(Succeed())
	for _, row := range d.Rows {
		all = append(all, row.Panels...)
	}
	g.Expect(len(all)).To(BeNumerically(">", 10))
	return all
}

// prometheus is a Prometheus that has scraped the recorded metrics for an hour, and is asked six hours later.
type prometheus struct {
	*promql.Engine
	store *teststorage.TestStorage
	now   time.Time
}

// scraped keeps chosen series, of one pod and of others with the same values. Counters and histograms grow to what was recorded two minutes before the end.
func scraped(t *testing.T, keep func(labels.Labels) bool, others ...string) *prometheus {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(dashboards + "testdata/metrics.txt")
	g.Expect(err).NotTo(HaveOccurred())
	var recorded int64
	_, err = fmt.Sscanf(string(content), "# Recorded at Unix time %d.", &recorded)
	g.Expect(err).NotTo(HaveOccurred())
	p := &prometheus{
		Engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute}),
		store:  teststorage.New(t),
		now:    time.Unix(recorded, 0).Add(6 * time.Hour),
	}
	samples := p.store.Appender(t.Context())
	lines, kind := textparse.NewPromParser(content, labels.NewSymbolTable(), false), model.MetricTypeUnknown
	for {
		entry, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		if entry == textparse.EntryType {
			_, kind = lines.Type()
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var series labels.Labels
		lines.Labels(&series)
		if !keep(series) {
			continue
		}
		_, _, value := lines.Series()
		grows := kind == model.MetricTypeCounter || kind == model.MetricTypeHistogram
		for ago := time.Hour; ago >= 0; ago -= 30 * time.Second {
			then := value
			if grows && ago > 2*time.Minute {
				then = 0
			}
			for _, pod := range append(others, "0") {
				_, err := samples.Append(0, ofPod(series, pod), p.now.Add(-ago).UnixMilli(), then)
				g.Expect(err).NotTo(HaveOccurred())
			}
		}
	}
	g.Expect(samples.Commit()).To(Succeed())
	return p
}

// ofPod adds the labels that the ServiceMonitor of config/prometheus brings with it.
func ofPod(series labels.Labels, pod string) labels.Labels {
	with := labels.NewBuilder(series)
	for name, value := range map[string]string{
		"namespace": "edge-registry-system", "pod": "edge-registry-controller-manager-" + pod, "container": "manager",
		"job": "edge-registry-controller-manager-metrics", "service": "edge-registry-controller-manager-metrics",
		"endpoint": "https", "instance": "10.128.0." + pod + ":8443",
	} {
		with.Set(name, value)
	}
	return with.Labels()
}

func everything(labels.Labels) bool { return true }

// ask evaluates a query.
func (p *prometheus) ask(t *testing.T, expr string) promql.Vector {
	t.Helper()
	query, err := p.NewInstantQuery(t.Context(), p.store, nil, expr, p.now)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), expr)
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), expr)
	return slices.Clone(vector)
}

// selectors are the parts of a query that choose series, without the ranges of time.
func (p *prometheus) selectors(t *testing.T, expr string) (all []string) {
	t.Helper()
	query, err := p.NewInstantQuery(t.Context(), p.store, nil, expr, p.now)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), expr)
	defer query.Close()
	parser.Inspect(query.Statement().(*parser.EvalStmt).Expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			all = append(all, selector.String())
		}
		return nil
	})
	return all
}

var legendLabel = regexp.MustCompile(`{{(\w+)}}`)

// shows are the labels that a panel makes visible for a query.
func (p *panel) shows(legend string) (names []string) {
	for _, style := range p.Styles {
		if !strings.HasPrefix(style.Pattern, "Value #") {
			names = append(names, style.Pattern)
		}
	}
	for _, match := range legendLabel.FindAllStringSubmatch(legend, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return names
}

// TestEveryPanelShowsWhatTheOperatorTells compares what the panels show of the recorded metrics with testdata/panels.txt.
// RECORD=1 writes that file again, to be read before it is committed.
func TestEveryPanelShowsWhatTheOperatorTells(t *testing.T) {
	g := NewWithT(t)
	p := scraped(t, everything)
	var shown strings.Builder
	for _, panel := range panels(t) {
		fmt.Fprintf(&shown, "%s\n", panel.Title)
		for i, target := range panel.Targets {
			for _, selector := range p.selectors(t, target.Expr) {
				g.Expect(p.ask(t, selector)).NotTo(BeEmpty(), "%s: no such series: %s", panel.Title, selector)
			}
			samples, names, lines := p.ask(t, target.Expr), panel.shows(target.LegendFormat), map[string]bool{}
			g.Expect(samples).NotTo(BeEmpty(), "%s: %s", panel.Title, target.Expr)
			if panel.Type == "singlestat" {
				g.Expect(samples).To(HaveLen(1), "the console shows the first only: %s", target.Expr)
			}
			for _, sample := range samples {
				line := "  "
				for _, name := range names {
					g.Expect(sample.Metric.Get(name)).NotTo(BeEmpty(), "%s: %s", panel.Title, name)
					line += sample.Metric.Get(name) + "  "
				}
				g.Expect(lines).NotTo(HaveKey(line), "%s has two of one name", panel.Title)
				lines[line] = true
				if panel.Type == "table" {
					g.Expect(sample.Metric.Len()).To(Equal(len(names)), "other labels would split the rows: %s", sample.Metric)
					line += panel.Styles[len(names)+i].Alias + ": "
				} else if len(names) == 0 && target.LegendFormat != "" {
					line += target.LegendFormat + "  "
				}
				fmt.Fprintf(&shown, "%s%s\n", line, strconv.FormatFloat(sample.F, 'g', 4, 64))
			}
		}
	}
	const file = dashboards + "testdata/panels.txt"
	if os.Getenv("RECORD") != "" {
		g.Expect(os.WriteFile(file, []byte(shown.String()), 0o644)).To(Succeed())
	}
	recorded, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shown.String()).To(Equal(string(recorded)))
}

// TestNoPanelCountsAnEdgeRegistryTwice: for a moment the previous leader and the new one both export each.
func TestNoPanelCountsAnEdgeRegistryTwice(t *testing.T) {
	one, both := scraped(t, everything), scraped(t, everything, "1")
	ofReplicas := regexp.MustCompile(`increase|rate|build_info`)
	seen := 0
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			if ofReplicas.MatchString(target.Expr) {
				continue
			}
			seen++
			values := func(p *prometheus) map[string]float64 {
				found := map[string]float64{}
				for _, sample := range p.ask(t, target.Expr) {
					found[sample.Metric.String()] = sample.F
				}
				return found
			}
			NewWithT(t).Expect(values(both)).To(Equal(values(one)), panel.Title)
		}
	}
	NewWithT(t).Expect(seen).To(BeNumerically(">", 12))
}

// TestTheGlanceTellsHealthFromSilence: no sample shows as "-" or "No data", which nobody takes for a zero.
func TestTheGlanceTellsHealthFromSilence(t *testing.T) {
	healthy := scraped(t, func(series labels.Labels) bool { return series.Get("edgeregistry") != "line-two" })
	absent := scraped(t, func(labels.Labels) bool { return false })
	want := map[string]float64{"EdgeRegistries": 1, "Not Ready": 0, "Stalled": 0, "Copies not current": 0, "Renewals overdue": 0, "Replicas running": 1}
	for _, panel := range panels(t) {
		value, listed := want[panel.Title]
		if panel.Type != "singlestat" || !listed {
			continue
		}
		t.Run(panel.Title, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(healthy.ask(t, panel.Targets[0].Expr)).To(ConsistOf(HaveField("F", value)))
			if panel.Title == "Replicas running" {
				g.Expect(absent.ask(t, panel.Targets[0].Expr)).To(ConsistOf(HaveField("F", 0.0)))
				return
			}
			g.Expect(absent.ask(t, panel.Targets[0].Expr)).To(BeEmpty())
		})
	}
}
