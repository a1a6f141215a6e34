// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prometheus_test checks the alerts of config/prometheus.
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

func decode(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.Unmarshal(content, into)).To(Succeed())
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var object struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	decode(t, "rules.yaml", &object)
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	NewWithT(t).Expect(all).NotTo(BeEmpty())
	return all
}

// check is what promtool has to find of an alert at a time.
type check struct {
	Alert  string `json:"alertname"`
	Alerts []struct {
		Labels map[string]string `json:"exp_labels"`
	} `json:"exp_alerts"`
}

// TestEachAlertIsTried holds the cases that `make alerts` runs to the rules.
func TestEachAlertIsTried(t *testing.T) {
	var cases struct {
		Tests []struct {
			Checks []check `json:"alert_rule_test"`
		} `json:"tests"`
	}
	decode(t, "rules_test.yaml", &cases)
	for _, rule := range rules(t) {
		tried := false
		for _, test := range cases.Tests {
			tried = tried || rule.isTried(test.Checks)
		}
		NewWithT(t).Expect(tried).To(BeTrue(), "a test sees %s as %s before it fires, firing and gone", rule.Alert, rule.Labels["severity"])
	}
}

// isTried reports whether checks see that an alert does not fire, then that it does, then that it does not.
func (r rule) isTried(checks []check) bool {
	phases := 0
	for _, c := range checks {
		fires := false
		for _, alert := range c.Alerts {
			fires = fires || alert.Labels["severity"] == r.Labels["severity"]
		}
		if c.Alert == r.Alert && fires == (phases%2 == 1) {
			phases++
		}
	}
	return phases >= 3
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
