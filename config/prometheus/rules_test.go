// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prometheus_test tries the alerts of config/prometheus.
package prometheus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// rule is an alert as Prometheus knows it.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// rules returns the alerts.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile("rules.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var object struct {
		Spec struct {
			Groups []struct {
				Name  string `json:"name"`
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	g.Expect(yaml.Unmarshal(content, &object)).To(Succeed())
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	g.Expect(all).NotTo(BeEmpty())
	return all
}

// How the alerts fire is for hack/promrules, which has Prometheus' own engine.
func TestEachAlertIsSeenToFireAndToEnd(t *testing.T) {
	g := NewWithT(t)
	cases, err := os.ReadFile("rules_test.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var suite struct {
		Tests []struct {
			Checks []check `json:"alert_rule_test"`
		} `json:"tests"`
	}
	g.Expect(yaml.Unmarshal(cases, &suite)).To(Succeed())
	for _, rule := range rules(t) {
		complete := false
		for _, test := range suite.Tests {
			complete = complete || rule.isTried(test.Checks)
		}
		g.Expect(complete).To(BeTrue(), "a test sees %s as %s before it fires, firing and gone", rule.Alert, rule.Labels["severity"])
	}
}

// check is what has to be found of an alert at a time.
type check struct {
	Alert  string `json:"alertname"`
	Alerts []struct {
		Labels map[string]string `json:"exp_labels"`
	} `json:"exp_alerts"`
}

// isTried reports whether checks see that an alert does not fire, then that it does, then that it does not.
func (r rule) isTried(checks []check) bool {
	var phases []bool
	for _, c := range checks {
		if c.Alert != r.Alert {
			continue
		}
		fires := false
		for _, alert := range c.Alerts {
			fires = fires || alert.Labels["severity"] == r.Labels["severity"]
		}
		if want := len(phases)%2 == 1; fires == want {
			phases = append(phases, fires)
		}
	}
	return len(phases) >= 3
}

func TestAlertsFollowTheConventionsOfOpenShift(t *testing.T) {
	for _, rule := range rules(t) {
		t.Run(rule.Alert+" "+rule.Labels["severity"], func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(rule.Alert).To(MatchRegexp(`^EdgeRegistry[A-Z][A-Za-z]+$`))
			g.Expect(rule.Labels["severity"]).To(BeElementOf("critical", "warning", "info"))
			g.Expect(rule.For).NotTo(BeEmpty(), "nobody is called for what passes by itself")
			g.Expect(rule.Labels["namespace"]+rule.Expr).To(Or(
				ContainSubstring("by (namespace"), HavePrefix("edge-registry-system")), "an alert keeps its namespace")
			g.Expect(rule.Annotations).To(HaveLen(3))
			for _, name := range []string{"summary", "description"} {
				g.Expect(rule.Annotations[name]).To(MatchRegexp(`^[A-Z{].*\.$`), "%s is of sentences", name)
			}
			if strings.Contains(rule.Expr, "edgeregistry") && rule.Alert != "EdgeRegistryMintStorm" {
				g.Expect(rule.Annotations["description"]).To(ContainSubstring("{{ $labels.edgeregistry }}"))
			}
			page := "docs/runbooks/" + rule.Alert + ".md"
			g.Expect(rule.Annotations["runbook_url"]).To(HaveSuffix("/edge-registry-operator/blob/main/" + page))
			g.Expect(filepath.Join("../..", page)).To(BeARegularFile())
		})
	}
}
