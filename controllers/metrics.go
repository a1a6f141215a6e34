// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/external"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// The names of the metrics, which rules and dashboards build on. docs/monitoring.md describes each.
const (
	metricReady           = "edge_registry_ready"
	metricCondition       = "edge_registry_status_condition"
	metricTransition      = "edge_registry_status_condition_last_transition_timestamp_seconds"
	metricTokenExpiration = "edge_registry_token_expiration_timestamp_seconds"
	metricTokenRenewal    = "edge_registry_token_renewal_timestamp_seconds"
	metricCANotAfter      = "edge_registry_ca_not_after_timestamp_seconds"
	metricCopies          = "edge_registry_copies"
	metricServices        = "edge_registry_exchange_services"
	metricNodes           = "edge_registry_exchange_nodes"
	metricFormerEnd       = "edge_registry_former_token_expiration_timestamp_seconds"
	metricQuotaUsed       = "edge_registry_quota_used_ratio"
	metricNextLook        = "edge_registry_next_look_timestamp_seconds"
	metricMints           = "edge_registry_mints_total"
	metricRotations       = "edge_registry_rotations_total"
	metricProbes          = "edge_registry_probes_total"
	metricBuild           = "edge_registry_build_info"
)

// labelOfEdge is the label that says which EdgeRegistry a metric is about.
const labelOfEdge = "edgeregistry"

func ofEdge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{labelOfEdge}, labels...), nil)
}

var (
	readyDesc      = ofEdge(metricReady, "1 while the EdgeRegistry is Ready, else 0.")
	conditionDesc  = ofEdge(metricCondition, "1 for the status and the reason that a condition has.", "type", "status", "reason")
	transitionDesc = ofEdge(metricTransition, "When the status of a condition last changed, as Unix time.", "type")
	expirationDesc = ofEdge(metricTokenExpiration, "When the token in use expires, as Unix time. Absent for a token that does not expire.", "role")
	renewalDesc    = ofEdge(metricTokenRenewal, "When the token in use is due for renewal, as Unix time. Absent for a token that does not expire.", "role")
	notAfterDesc   = ofEdge(metricCANotAfter, "When the first of the certificates that verify the route ends, as Unix time.")
	copiesDesc     = ofEdge(metricCopies, "The copies of both Secrets by their state. Absent where there is nothing to copy.", "state")
	servicesDesc   = ofEdge(metricServices, "The services in the Exchange that are to hold the login, by whether they do. Absent without an Exchange.", "state")
	nodesDesc      = ofEdge(metricNodes, "The nodes that run these services, by whether they have read the login. Absent before they were looked at.", "state")
	quotaUsedDesc  = ofEdge(metricQuotaUsed, "How much is used of what the account at IBM Cloud may store or move in the region: 1 for all. Absent where that is not known or not limited.", "quota")
	nextLookDesc   = ofEdge(metricNextLook, "When the operator looks again at the latest, as Unix time: what the other metrics of the EdgeRegistry say is not known any more once that has passed. Absent where nothing is due.")
	formerEndDesc  = ofEdge(metricFormerEnd, "When the first of the tokens before the one in use expires, as Unix time. Absent without one that still works and expires.", "role")
)

// edgeMetrics are the gauges of all EdgeRegistries. Those of each are recreated from its status after a pass, and kept by its name, so
// that no series outlives what it is about.
type edgeMetrics struct{ sync.Map }

// gauge is a metric of an EdgeRegistry. Each gauge of Prometheus holds its own labels, which is most of its memory. Here equal labels
// are shared.
type gauge struct {
	desc   *prometheus.Desc
	value  float64
	labels []*dto.LabelPair
}

// sharedLabels holds every label in use, for its name and value.
var sharedLabels sync.Map

func newGauge(desc *prometheus.Desc, value float64, of []string) gauge {
	g := gauge{desc, value, prometheus.MakeLabelPairs(desc, of)}
	for i, label := range g.labels {
		shared, _ := sharedLabels.LoadOrStore([2]string{label.GetName(), label.GetValue()}, label)
		g.labels[i] = shared.(*dto.LabelPair)
	}
	return g
}

// Desc implements prometheus.Metric.
func (g *gauge) Desc() *prometheus.Desc { return g.desc }

// Write implements prometheus.Metric.
func (g *gauge) Write(out *dto.Metric) error {
	out.Label, out.Gauge = g.labels, &dto.Gauge{Value: &g.value}
	return nil
}

var ofEdges = &edgeMetrics{}

// Describe implements prometheus.Collector.
func (*edgeMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{readyDesc, conditionDesc, transitionDesc, expirationDesc, renewalDesc, notAfterDesc, copiesDesc, servicesDesc, nodesDesc, quotaUsedDesc, nextLookDesc, formerEndDesc} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *edgeMetrics) Collect(out chan<- prometheus.Metric) {
	m.Range(func(_, gauges any) bool {
		for i := range gauges.([]gauge) {
			out <- &gauges.([]gauge)[i]
		}
		return true
	})
}

// observe sets the metrics of an EdgeRegistry from its status, the time until which they hold, and the use of quotas, which changes
// too often for a status.
func observe(edge *edgev1.EdgeRegistry, next time.Time, used ...pass.Usage) {
	all := gauges(edge)
	if !next.IsZero() {
		all = append(all, newGauge(nextLookDesc, float64(next.Unix()), []string{edge.Name}))
	}
	for _, one := range used {
		all = append(all, newGauge(quotaUsedDesc, one.Share, []string{edge.Name, one.Of}))
	}
	ofEdges.Store(edge.Name, slices.Clone(all))
}

// observeStored sets the metrics of an EdgeRegistry from its stored status, when this process first reads it. Otherwise a pass that
// cannot be finished would leave no metrics, and an alert would end though nothing is repaired.
func observeStored(edge *edgev1.EdgeRegistry, now time.Time) {
	if _, known := ofEdges.Load(edge.Name); !known {
		observe(edge, now.Add(pass.RetryCap))
	}
}

// nextLook is when an EdgeRegistry is looked at again, at the latest; zero when nothing is due.
func nextLook(now time.Time, result ctrl.Result, err error) time.Time {
	switch {
	case err != nil:
		return now.Add(pass.RetryCap)
	case result.RequeueAfter > 0:
		return now.Add(result.RequeueAfter)
	default:
		return time.Time{}
	}
}

// unobserve removes the metrics of an EdgeRegistry that is gone.
func unobserve(name string) {
	ofEdges.Delete(name)
	sharedLabels.Delete([2]string{labelOfEdge, name})
}

func gauges(edge *edgev1.EdgeRegistry) (all []gauge) {
	set := func(desc *prometheus.Desc, value float64, labels ...string) {
		all = append(all, newGauge(desc, value, append([]string{edge.Name}, labels...)))
	}
	setTime := func(desc *prometheus.Desc, t *metav1.Time, labels ...string) {
		if t != nil {
			set(desc, float64(t.Unix()), labels...)
		}
	}
	ready := 0.0
	if meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
		ready = 1
	}
	set(readyDesc, ready)
	for _, c := range edge.Status.Conditions {
		set(conditionDesc, 1, c.Type, string(c.Status), c.Reason)
		setTime(transitionDesc, &c.LastTransitionTime, c.Type)
	}
	for _, role := range roles {
		inUse := func(token edgev1.CredentialStatus) bool { return token.Role == role && token.Current }
		if i := slices.IndexFunc(edge.Status.Credentials, inUse); i >= 0 {
			setTime(expirationDesc, edge.Status.Credentials[i].ExpiresAt, objects.RoleValue(role))
			setTime(renewalDesc, edge.Status.Credentials[i].RenewAt, objects.RoleValue(role))
		}
		setTime(formerEndDesc, formerEnd(edge, role), objects.RoleValue(role))
	}
	if edge.Status.CA != nil {
		setTime(notAfterDesc, &edge.Status.CA.NotAfter)
	}
	for state, copies := range copyStates(edge.Status.Secrets) {
		set(copiesDesc, float64(copies), state)
	}
	if held := edge.Status.Exchange; held != nil {
		set(servicesDesc, float64(held.Synced), "synced")
		set(servicesDesc, float64(held.Services-held.Synced), "behind")
		if nodes := held.Nodes; nodes != nil {
			set(nodesDesc, float64(nodes.Confirmed), "confirmed")
			set(nodesDesc, float64(nodes.Late), "late")
			set(nodesDesc, float64(nodes.Unknown), "unknown")
		}
	}
	return all
}

// formerEnd is when the first of a role's earlier tokens expires; nil if none does.
func formerEnd(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) (first *metav1.Time) {
	for i := range edge.Status.Credentials {
		c := &edge.Status.Credentials[i]
		if c.Role == role && !c.Current && c.ExpiresAt != nil && (first == nil || c.ExpiresAt.Before(first)) {
			first = c.ExpiresAt
		}
	}
	return first
}

// transientReasons are the reasons of failed copies that end without a person.
var transientReasons = []string{edgev1.ReasonNamespaceAbsent, edgev1.ReasonNamespaceTerminating, edgev1.ReasonRequestFailed}

// copyStates counts the copies in each state: current, pending while the operator waits, and failed if a person has to act. The
// status lists only some failures; the other copies that are not current count as behind.
func copyStates(secrets []edgev1.SecretStatus) map[string]int32 {
	var states map[string]int32
	for _, secret := range secrets {
		copies := secret.Copies
		if copies == nil {
			continue
		}
		if states == nil {
			states = map[string]int32{"current": 0, "pending": 0, "failed": 0, "behind": 0}
		}
		states["current"] += copies.Synced
		unexplained := copies.Total - copies.Synced
		for _, failure := range copies.Failed {
			unexplained--
			if slices.Contains(transientReasons, failure.Reason) {
				states["pending"]++
			} else {
				states["failed"]++
			}
		}
		states["behind"] += max(0, unexplained)
	}
	return states
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

var (
	roles = []edgev1.TokenRole{edgev1.TokenPublisher, edgev1.TokenPuller}

	mintsTotal     = counter(metricMints, "Tokens that were issued, by the role and the cause.", "role", "cause")
	rotationsTotal = counter(metricRotations, "Published tokens that another took the place of, by the role.", "role")
	probesTotal    = counter(metricProbes, "Trials of both tokens against the registry, by their result.", "result")
	buildInfo      = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricBuild, Help: "1 for the version that runs, and what it was built with."},
		[]string{"version", "go_version"})

	// probeResults maps the reason of RegistryVerified to the result of a probe. Any other reason, such as an API of the cluster
	// that failed, is an error.
	probeResults = map[string]string{
		edgev1.ReasonVerified:             "accepted",
		edgev1.ReasonCredentialRefused:    "refused",
		edgev1.ReasonPullDenied:           "denied",
		edgev1.ReasonPushDenied:           "denied",
		edgev1.ReasonPullerCanPush:        "excessive",
		edgev1.ReasonRegistryUnresolvable: "unreachable",
		edgev1.ReasonRegistryUnreachable:  "unreachable",
		edgev1.ReasonRegistryUntrusted:    "untrusted",
		edgev1.ReasonRegistryUnavailable:  "unavailable",
		edgev1.ReasonRegistryUnexpected:   "unexpected",
		edgev1.ReasonTokenHostNotAllowed:  "unexpected",
		edgev1.ReasonRequestFailed:        "error",
	}
)

// init starts each counter at zero: Prometheus sees no increase in a series that appears.
func init() {
	metrics.Registry.MustRegister(ofEdges, mintsTotal, rotationsTotal, probesTotal, buildInfo)
	for _, role := range roles {
		rotationsTotal.WithLabelValues(objects.RoleValue(role))
		for _, why := range slices.Concat(pass.Causes, openshift.Causes, external.Causes) {
			mintsTotal.WithLabelValues(objects.RoleValue(role), why.Name)
		}
	}
	for _, result := range probeResults {
		probesTotal.WithLabelValues(result)
	}
}

// ShowBuild sets the metric with the version of the operator.
func ShowBuild(version string) { buildInfo.WithLabelValues(version, runtime.Version()).Set(1) }

func countMint(role edgev1.TokenRole, why pass.Cause) {
	mintsTotal.WithLabelValues(objects.RoleValue(role), why.Name).Inc()
}

func countRotation(role edgev1.TokenRole) {
	rotationsTotal.WithLabelValues(objects.RoleValue(role)).Inc()
}

func countProbe(err error) {
	reason := edgev1.ReasonVerified
	if err != nil {
		_, reason, _ = pass.Verdict(err)
	}
	result, known := probeResults[reason]
	if !known {
		result = probeResults[edgev1.ReasonRequestFailed]
	}
	probesTotal.WithLabelValues(result).Inc()
}
