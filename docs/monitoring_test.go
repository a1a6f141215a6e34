// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const monitoring = "monitoring.md"

var (
	metricRow = regexp.MustCompile("(?m)^\\| `(edge_registry_[a-z_]+)` \\| (gauge|counter) \\| `")
	alertRow  = regexp.MustCompile("(?m)^\\| \\[`(EdgeRegistry\\w+)`\\]\\(runbooks/(\\w+)\\.md\\) \\| (\\w+) \\| ")
	alertRule = regexp.MustCompile(`(?s)- alert: (\w+)\n.*?severity: (\w+)\n`)
)

func TestEveryMetricIsDocumentedAndNoOther(t *testing.T) {
	var served, documented []string
	for _, c := range constants(t, "../controllers/metrics.go") {
		if strings.HasPrefix(c.name, "metric") {
			served = append(served, c.value)
		}
	}
	for _, row := range metricRow.FindAllStringSubmatch(read(t, monitoring), -1) {
		documented = append(documented, row[1])
	}
	NewWithT(t).Expect(documented).To(ConsistOf(served))
}

func TestEveryAlertIsDocumentedAndHasARunbook(t *testing.T) {
	g := NewWithT(t)
	rules := read(t, "../config/prometheus/rules.yaml")
	var shipped, documented []string
	pages := map[string]bool{}
	for _, match := range alertRule.FindAllStringSubmatch(rules, -1) {
		shipped = append(shipped, match[1]+" "+match[2])
		pages["runbooks/"+match[1]+".md"] = true
	}
	for _, row := range alertRow.FindAllStringSubmatch(read(t, monitoring), -1) {
		documented = append(documented, row[1]+" "+row[3])
		g.Expect(row[1]).To(Equal(row[2]), "an alert's page has its name")
	}
	g.Expect(shipped).To(HaveLen(strings.Count(rules, "- alert:")))
	g.Expect(documented).To(ConsistOf(shipped))
	files, err := filepath.Glob("runbooks/*.md")
	g.Expect(err).NotTo(HaveOccurred())
	for _, file := range files {
		g.Expect(pages).To(HaveKey(file), "no alert leads to %s", file)
		g.Expect(slugs(read(t, file))).To(HaveExactElements(strings.ToLower(strings.TrimSuffix(filepath.Base(file), ".md")),
			"meaning", "impact", "diagnosis", "mitigation"), file)
		delete(pages, file)
	}
	g.Expect(pages).To(BeEmpty(), "each alert has its page")
}
