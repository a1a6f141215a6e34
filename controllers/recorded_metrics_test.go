// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the metrics of metrics.go as alerts and dashboards read them.

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// recordedMetrics is what the operator served in TestTheRecordedMetricsAreTheOperators. The queries of the dashboards are
// evaluated on it.
const recordedMetrics = "../config/dashboards/testdata/metrics.txt"

var (
	// recordedFamilies are the metrics that dashboards show; others of the process and of controller-runtime are left out.
	recordedFamilies = regexp.MustCompile(`^(# \w+ )?(edge_registry_|controller_runtime_reconcile_(total|time_seconds)|process_resident_memory_bytes)`)
	sampleValue      = regexp.MustCompile(`(?m)^([^#].*) \S+$`)
	goVersion        = regexp.MustCompile(`go_version="[^"]*"`)
)

// scrape returns what Prometheus would get of those metrics, with other names for two EdgeRegistries and without all
// other EdgeRegistries.
func scrape(t *testing.T, names map[string]string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	var kept strings.Builder
	for line := range strings.Lines(answer.Body.String()) {
		_, rest, about := strings.Cut(line, `edgeregistry="`)
		name, _, _ := strings.Cut(rest, `"`)
		if !recordedFamilies.MatchString(line) || about && names[name] == "" {
			continue
		}
		kept.WriteString(strings.Replace(line, `edgeregistry="`+name, `edgeregistry="`+names[name], 1))
	}
	return goVersion.ReplaceAllString(kept.String(), `go_version="go"`)
}

// identities are the lines without their values, which differ from run to run.
func identities(exposition string) []string {
	return strings.Split(strings.TrimSpace(sampleValue.ReplaceAllString(exposition, "$1")), "\n")
}

// TestTheRecordedMetricsAreTheOperators fails when the operator serves other metrics, labels or values of labels than
// those that the dashboards are tested on. RECORD=1 records them again.
func TestTheRecordedMetricsAreTheOperators(t *testing.T) {
	g := NewWithT(t)
	ShowBuild("v0.1.0")
	o := startOperator(t)
	factory := awaitReady(t, apply(t, newEdge(copyPullTo(makeTarget(t)))))
	lineTwo := apply(t, newEdge(copyPublishTo(makeTarget(t), makeNamespace(t).Name), func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived
	}))
	awaitReason(t, lineTwo, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	annotate(t, factory, edgev1.RotateAnnotation, stamp())
	g.Eventually(func() string { return reload(t, factory).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).ShouldNot(BeEmpty())
	o.pass(t, factory)

	served := scrape(t, map[string]string{factory.Name: "factory", lineTwo.Name: "line-two"})
	if os.Getenv("RECORD") != "" {
		note := fmt.Sprintf("# Recorded at Unix time %d. RECORD=1 go test ./controllers -run %s does so again.\n", o.clock.Now().Unix(), t.Name())
		g.Expect(os.WriteFile(recordedMetrics, []byte(note+served), 0o644)).To(Succeed())
	}
	recorded, err := os.ReadFile(recordedMetrics)
	g.Expect(err).NotTo(HaveOccurred())
	_, exposition, _ := strings.Cut(string(recorded), "\n")
	g.Expect(identities(served)).To(ConsistOf(identities(exposition)), "record them again: see the first line of %s", recordedMetrics)
}
