// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	edgeMetricLabel  = "edgeregistry"
	roleMetricLabel  = "role"
	causeMetricLabel = "cause"
)

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "edge_registry", Name: name, Help: help}, labels)
}

var (
	readyMetric = gauge("ready", "1 while the EdgeRegistry is Ready, else 0.", edgeMetricLabel)
	tokenExpiry = gauge("token_expiration_timestamp_seconds",
		"When the token in use expires, as Unix time. Absent for a token that does not expire.", edgeMetricLabel, roleMetricLabel)
	tokenRenewal = gauge("token_renewal_timestamp_seconds",
		"When the token in use is due for renewal, as Unix time. Absent for a token that does not expire.", edgeMetricLabel, roleMetricLabel)
	caNotAfter = gauge("ca_not_after_timestamp_seconds",
		"When the first of the certificates that verify the route ends, as Unix time.", edgeMetricLabel)
	mints = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "edge_registry", Name: "mints_total", Help: "Tokens that were issued, by the role and the cause.",
	}, []string{roleMetricLabel, causeMetricLabel})

	ofEdges = []*prometheus.GaugeVec{readyMetric, tokenExpiry, tokenRenewal, caNotAfter}
)

func init() {
	metrics.Registry.MustRegister(readyMetric, tokenExpiry, tokenRenewal, caNotAfter, mints)
}

// observe makes the metrics of an EdgeRegistry say what its status says.
func observe(edge *edgev1.EdgeRegistry) {
	ready := 0.0
	if meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
		ready = 1
	}
	readyMetric.WithLabelValues(edge.Name).Set(ready)
	var notAfter *metav1.Time
	if edge.Status.CA != nil {
		notAfter = &edge.Status.CA.NotAfter
	}
	setTime(caNotAfter, notAfter, edge.Name)
	for _, role := range []edgev1.TokenRole{edgev1.TokenPublisher, edgev1.TokenPuller} {
		var current edgev1.TokenStatus
		for _, token := range edge.Status.Tokens {
			if token.Role == role && token.Current {
				current = token
			}
		}
		setTime(tokenExpiry, current.ExpiresAt, edge.Name, roleValue(role))
		setTime(tokenRenewal, current.RenewAt, edge.Name, roleValue(role))
	}
}

// setTime sets a gauge to a time, or takes it away where there is none.
func setTime(metric *prometheus.GaugeVec, t *metav1.Time, labels ...string) {
	if t == nil {
		metric.DeleteLabelValues(labels...)
		return
	}
	metric.WithLabelValues(labels...).Set(float64(t.Unix()))
}

// unobserve takes the metrics of an EdgeRegistry that is gone away.
func unobserve(name string) {
	for _, metric := range ofEdges {
		metric.DeletePartialMatch(prometheus.Labels{edgeMetricLabel: name})
	}
}

func countMint(role edgev1.TokenRole, why cause) {
	mints.WithLabelValues(roleValue(role), why.name).Inc()
}
