// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package promrules_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"sigs.k8s.io/yaml"
)

const alerts = "../../config/prometheus/"

// situation is one test of rules_test.yaml: what the operator's metrics are from minute to minute, and which alerts
// fire when. It has the form of `promtool test rules`, which needs the service discovery of every cloud to be built.
type situation struct {
	Name   string `json:"name"`
	Series []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	Checks []struct {
		Alert string `json:"alertname"`
		Time  string `json:"eval_time"`
		Want  []struct {
			Labels      map[string]string `json:"exp_labels"`
			Annotations map[string]string `json:"exp_annotations"`
		} `json:"exp_alerts"`
	} `json:"alert_rule_test"`
}

// shippedRules reads the rules as Prometheus' operator hands them to Prometheus.
func shippedRules(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	g := NewWithT(t)
	var object struct {
		Spec any `json:"spec"`
	}
	read(t, "rules.yaml", &object)
	content, err := yaml.Marshal(object.Spec)
	g.Expect(err).NotTo(HaveOccurred())
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	g.Expect(errs).To(BeEmpty())
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	g.Expect(all).NotTo(BeEmpty())
	return all
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(alerts + file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.Unmarshal(content, into)).To(Succeed())
}

// TestEachAlertFiresWhenItShouldAndNotBefore evaluates all rules each minute, as Prometheus would.
func TestEachAlertFiresWhenItShouldAndNotBefore(t *testing.T) {
	shipped := shippedRules(t)
	var suite struct {
		Tests []situation `json:"tests"`
	}
	read(t, "rules_test.yaml", &suite)
	NewWithT(t).Expect(suite.Tests).NotTo(BeEmpty())
	for _, s := range suite.Tests {
		t.Run(s.Name, func(t *testing.T) { s.play(t, shipped) })
	}
}

func (s situation) play(t *testing.T, shipped []rulefmt.Rule) {
	g := NewWithT(t)
	input := "load 1m\n"
	for _, series := range s.Series {
		input += fmt.Sprintf("  %s %s\n", series.Series, series.Values)
	}
	loaded, err := promqltest.NewLazyLoader(input, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(loaded.Close()).To(Succeed()) }()
	var running []*rules.AlertingRule
	for _, rule := range shipped {
		running = append(running, alertingRule(t, rule))
	}
	query := rules.EngineQueryFunc(loaded.QueryEngine(), loaded.Storage())
	checked := 0
	for minute := 0; checked < len(s.Checks); minute++ {
		g.Expect(minute).To(BeNumerically("<", 24*60*60), "the checks are at whole minutes")
		now := time.Unix(0, 0).UTC().Add(time.Duration(minute) * time.Minute)
		loaded.WithSamplesTill(now, func(err error) { g.Expect(err).NotTo(HaveOccurred()) })
		for _, rule := range running {
			_, err := rule.Eval(t.Context(), 0, now, query, &url.URL{}, 0)
			g.Expect(err).NotTo(HaveOccurred(), rule.Name())
		}
		for _, check := range s.Checks {
			if at, err := time.ParseDuration(check.Time); g.Expect(err).NotTo(HaveOccurred()) && at == time.Duration(minute)*time.Minute {
				checked++
				var want []string
				for _, alert := range check.Want {
					alert.Labels["alertname"] = check.Alert
					want = append(want, text(alert.Labels)+" "+text(alert.Annotations))
				}
				g.Expect(firing(running, check.Alert)).To(ConsistOf(want), "%s at %s", check.Alert, check.Time)
			}
		}
	}
}

func alertingRule(t *testing.T, rule rulefmt.Rule) *rules.AlertingRule {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(rule.Expr)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), rule.Alert)
	return rules.NewAlertingRule(rule.Alert, expr, time.Duration(rule.For), time.Duration(rule.KeepFiringFor),
		labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
}

// firing are the alerts of a name that fire.
func firing(running []*rules.AlertingRule, name string) (all []string) {
	for _, rule := range running {
		for _, alert := range rule.ActiveAlerts() {
			if rule.Name() == name && alert.State == rules.StateFiring {
				all = append(all, text(alert.Labels.Map())+" "+text(alert.Annotations.Map()))
			}
		}
	}
	return all
}

// text is a map in one order.
func text(of map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s=%q", key, of[key]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
