// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// series returns the values of a metric by those of its labels that are not given, in the order of their names, joined
// by commas. Where labels are given, it leaves series with other values out.
func series(t *testing.T, name string, given map[string]string) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var rest []string
			matched := 0
			for _, pair := range metric.GetLabel() {
				if want, asked := given[pair.GetName()]; !asked {
					rest = append(rest, pair.GetValue())
				} else if want == pair.GetValue() {
					matched++
				}
			}
			if matched == len(given) {
				found[strings.Join(rest, ",")] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
	}
	return found
}

// edgeMetricNames are the metrics that speak of one EdgeRegistry.
var edgeMetricNames = []string{
	metricReady, metricCondition, metricTransition, metricTokenExpiration, metricTokenRenewal, metricCANotAfter, metricCopies, metricServices,
	metricNodes, metricFormerEnd,
}

// A pass that does not come to its end, by whatever it fails or hangs, leaves this gauge behind the time, and what the others say
// with it.
func TestMetricsSayUntilWhenTheyHold(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, test := range map[string]struct {
		result ctrl.Result
		err    error
		want   map[string]float64
	}{
		"something is due": {ctrl.Result{RequeueAfter: time.Hour}, nil, map[string]float64{"": 1_003_600}},
		"nothing is due":   {ctrl.Result{}, nil, map[string]float64{}},
		"it failed":        {ctrl.Result{}, errors.New("no answer"), map[string]float64{"": 1_000_060}},
	} {
		t.Run(name, func(t *testing.T) {
			edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "looked-at"}}
			t.Cleanup(func() { unobserve(edge.Name) })
			observe(edge, nextLook(now, test.result, test.err))
			NewWithT(t).Expect(series(t, metricNextLook, map[string]string{labelOfEdge: edge.Name})).To(Equal(test.want))
		})
	}
}

// What the replica before wrote is seen at once, and that nobody has looked since.
func TestMetricsOfAPassThatNeverEndsAreThoseOfTheStatus(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.stop(t)
	ofEdges.Clear()
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.DeletionPolicy = edgev1.DeletionDelete })
	again := startOperator(t, func(o *operator, _ *rest.Config) {
		o.unavailable(func(a ask) bool { return a.is(http.MethodPatch, "/status") })
	})
	of := map[string]string{labelOfEdge: edge.Name}
	g.Eventually(func() map[string]float64 { return series(t, metricReady, of) }).WithTimeout(soon).WithPolling(often).Should(Equal(map[string]float64{"": 1}))
	first := series(t, metricNextLook, of)[""]
	g.Expect(first).To(BeNumerically("~", again.clock.Now().Add(pass.RetryCap).Unix(), 5))
	again.advance(time.Hour)
	poke(t, edge)
	g.Consistently(func() float64 { return series(t, metricNextLook, of)[""] }).WithTimeout(2*time.Second).WithPolling(often).Should(Equal(first), "no pass has ended")
	again.wire.setIntercept(nil)
	poke(t, edge)
	g.Eventually(func() float64 { return series(t, metricNextLook, of)[""] }).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", first))
}

func TestMetricsSayWhatTheStatusSaysAndGoWithTheEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	puller := map[string]string{"role": "puller"}
	minted, rotated := series(t, metricMints, puller)[pass.CauseUnpublished.Name], series(t, metricRotations, nil)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(target), func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived })))
	knowKept(t, edge)
	o.pass(t, edge)
	of := map[string]string{"edgeregistry": edge.Name}
	token := statusOfTokens(reload(t, edge), edgev1.TokenPublisher)[0]
	g.Expect(series(t, metricReady, of)).To(Equal(map[string]float64{"": 1}))
	g.Expect(series(t, metricTokenExpiration, of)).To(Equal(map[string]float64{"publisher": float64(token.ExpiresAt.Unix())}))
	g.Expect(series(t, metricTokenRenewal, of)).To(Equal(map[string]float64{"publisher": float64(token.RenewAt.Unix())}))
	g.Expect(series(t, metricCANotAfter, of)).To(Equal(map[string]float64{"": float64(edge.Status.CA.NotAfter.Unix())}))
	g.Expect(series(t, metricCopies, of)).To(Equal(map[string]float64{"current": 1, "pending": 0, "failed": 0, "behind": 0}))
	g.Expect(series(t, metricMints, puller)[pass.CauseUnpublished.Name]).To(Equal(minted + 1))
	g.Expect(series(t, metricRotations, nil)).To(Equal(rotated), "a first token takes no other's place")
	g.Expect(series(t, metricCondition, of)).To(And(HaveLen(len(stepConditions)+1),
		HaveKeyWithValue("Verified,True,RegistryVerified", 1.0), HaveKeyWithValue("Ready,True,Ready", 1.0)))
	expectTransitions(t, edge)

	edit(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Puller.Token.Type, e.Spec.OpenShift.Publisher.Token.Type = edgev1.TokenBound, edgev1.TokenLongLived
	})
	awaitReady(t, edge)
	o.pass(t, edge)
	knowKept(t, edge)
	g.Expect(series(t, metricTokenExpiration, of)).To(And(HaveLen(1), HaveKey("puller")), "one that does not expire has no time")
	g.Expect(series(t, metricTokenRenewal, of)).To(And(HaveLen(1), HaveKey("puller")))
	g.Expect(series(t, metricRotations, nil)).To(Equal(map[string]float64{"publisher": rotated["publisher"] + 1, "puller": rotated["puller"] + 1}))

	keepPlatform(t)
	openShift.Router.Unavailable(true)
	unavailable := func() float64 { return series(t, metricProbes, nil)["unavailable"] }
	before := unavailable()
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
	g.Eventually(func() map[string]float64 { return series(t, metricReady, of) }).WithTimeout(soon).Should(Equal(map[string]float64{"": 0}))
	g.Expect(series(t, metricCondition, of)).To(And(HaveLen(len(stepConditions)+2), HaveKeyWithValue("ProofFailed,True,Reconciling", 1.0),
		HaveKeyWithValue("ProofFailed,False,Ready", 1.0)), "what held before has no series any more")
	expectTransitions(t, edge)
	o.clock.SetTime(o.clock.Now().Add(2 * edge.Spec.Verification.Interval.Duration))
	o.pass(t, edge)
	g.Eventually(unavailable).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", before))

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	for _, name := range edgeMetricNames {
		g.Eventually(func() map[string]float64 { return series(t, name, of) }).WithTimeout(soon).WithPolling(often).Should(BeEmpty(), name)
	}
}

// expectTransitions compares the times in the metrics to those in the status.
func expectTransitions(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	want := map[string]float64{}
	for _, c := range reload(t, edge).Status.Conditions {
		want[c.Type] = float64(c.LastTransitionTime.Unix())
	}
	NewWithT(t).Expect(series(t, metricTransition, map[string]string{"edgeregistry": edge.Name})).To(Equal(want))
}

func TestMetricsComeBackWithTheFirstPassAfterARestart(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	suspended := awaitReady(t, apply(t, newEdge()))
	setSuspend(t, suspended, true)
	awaitReason(t, suspended, edgev1.Ready, edgev1.ReasonSuspended)
	o.pass(t, edge)
	shown := func() (all []map[string]float64) {
		for _, of := range []string{edge.Name, suspended.Name} {
			for _, name := range edgeMetricNames {
				all = append(all, series(t, name, map[string]string{"edgeregistry": of}))
			}
		}
		return all
	}
	before := shown()
	o.stop(t)
	ofEdges.Clear()
	g.Expect(shown()).To(HaveEach(BeEmpty()))
	again := startOperator(t)
	g.Eventually(shown).WithTimeout(soon).WithPolling(often).Should(Equal(before))
	g.Expect(again.wire.writes()).To(BeEmpty())
}

func TestAnEdgeRegistryThatIsGoneLeavesNothingInTheMetrics(t *testing.T) {
	g := NewWithT(t)
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}
	of := map[string]string{labelOfEdge: edge.Name}
	observe(edge, time.Time{})
	g.Expect(series(t, metricReady, of)).To(HaveLen(1))
	unobserve(edge.Name)
	g.Expect(series(t, metricReady, of)).To(BeEmpty())
	_, kept := sharedLabels.Load([2]string{labelOfEdge, edge.Name})
	g.Expect(kept).To(BeFalse())
}

// What is used of a quota is known in a pass that asked for it, and in no other.
func TestAQuotaThatWasNotLookedAtHasNoMetric(t *testing.T) {
	g := NewWithT(t)
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "of-a-quota"}}
	t.Cleanup(func() { unobserve(edge.Name) })
	of := map[string]string{labelOfEdge: edge.Name}
	observe(edge, time.Time{}, pass.Usage{Of: "storage", Share: 0.5})
	g.Expect(series(t, metricQuotaUsed, of)).To(Equal(map[string]float64{"storage": 0.5}))
	observe(edge, time.Time{})
	g.Expect(series(t, metricQuotaUsed, of)).To(BeEmpty())
}

func TestEveryOutcomeOfAVerificationHasItsResult(t *testing.T) {
	for _, test := range []struct {
		err    error
		result string
	}{
		{nil, "accepted"},
		{pass.Waiting(edgev1.ReasonCredentialRefused, ""), "refused"},
		{pass.Waiting(edgev1.ReasonPullDenied, ""), "denied"},
		{pass.Waiting(edgev1.ReasonPushDenied, ""), "denied"},
		{pass.Stalled(edgev1.ReasonPullerCanPush, ""), "excessive"},
		{pass.Waiting(edgev1.ReasonRegistryUnresolvable, ""), "unreachable"},
		{pass.Waiting(edgev1.ReasonRegistryUnreachable, ""), "unreachable"},
		{pass.Waiting(edgev1.ReasonRegistryUntrusted, ""), "untrusted"},
		{pass.Waiting(edgev1.ReasonRegistryUnavailable, ""), "unavailable"},
		{pass.Waiting(edgev1.ReasonRegistryUnexpected, ""), "unexpected"},
		{errors.New("another"), "error"},
		{context.DeadlineExceeded, "error"},
	} {
		before := series(t, metricProbes, nil)
		countProbe(test.err)
		before[test.result]++
		NewWithT(t).Expect(series(t, metricProbes, nil)).To(Equal(before), "%v", test.err)
	}
}

func TestCopiesAreCountedByTheirState(t *testing.T) {
	failures := func(reasons ...string) (failed []edgev1.CopyFailure) {
		for _, reason := range reasons {
			failed = append(failed, edgev1.CopyFailure{Reason: reason})
		}
		return failed
	}
	for name, test := range map[string]struct {
		copies []*edgev1.CopiesStatus
		states map[string]int32
	}{
		"none": {[]*edgev1.CopiesStatus{nil, nil}, nil},
		"of both Secrets": {
			[]*edgev1.CopiesStatus{{Total: 2, Synced: 2}, {Total: 1, Synced: 1}},
			map[string]int32{"current": 3, "pending": 0, "failed": 0, "behind": 0},
		},
		"each reason": {
			[]*edgev1.CopiesStatus{nil, {Total: 9, Synced: 1, Failed: failures(
				edgev1.ReasonNamespaceAbsent, edgev1.ReasonNamespaceTerminating, edgev1.ReasonRequestFailed,
				edgev1.ReasonNotInvited, edgev1.ReasonConflict, edgev1.ReasonReserved, edgev1.ReasonQuotaExceeded, edgev1.ReasonRightsMissing)}},
			map[string]int32{"current": 1, "pending": 3, "failed": 5, "behind": 0},
		},
		"more than the status lists": {
			[]*edgev1.CopiesStatus{{Total: 30, Synced: 5, Failed: failures(slices.Repeat([]string{edgev1.ReasonNotInvited}, maxFailedCopies)...)}, nil},
			map[string]int32{"current": 5, "pending": 0, "failed": 20, "behind": 5},
		},
		"one that is left where it was taken off": {
			[]*edgev1.CopiesStatus{{Total: 1, Synced: 1, Failed: failures(edgev1.ReasonNotInvited)}, nil},
			map[string]int32{"current": 1, "pending": 0, "failed": 1, "behind": 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var secrets []edgev1.SecretStatus
			for _, copies := range test.copies {
				secrets = append(secrets, edgev1.SecretStatus{Copies: copies})
			}
			NewWithT(t).Expect(copyStates(secrets)).To(Equal(test.states))
		})
	}
}

var (
	ruleSelector = regexp.MustCompile(`(edge_registry_\w+)(?:\{([^}]*)\})?`)
	ruleMatcher  = regexp.MustCompile(`(\w+)(?:=|!=|=~)"([^"]*)"`)
)

// TestAlertsNameWhatIsServed holds the rules to the metrics of an operator at work and to the values that labels have.
func TestAlertsNameWhatIsServed(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(makeTarget(t)))))
	o.pass(t, edge)
	// What only some EdgeRegistries have: nodes that were looked at, earlier tokens, and quotas.
	full := edge.DeepCopy()
	full.Name += "-full"
	full.Status.Exchange = &edgev1.ExchangeStatus{Services: 2, Synced: 1, Nodes: &edgev1.ExchangeNodes{Confirmed: 1, Late: 1, Unknown: 1}}
	for _, current := range edge.Status.Credentials {
		current.Current = false
		full.Status.Credentials = append(full.Status.Credentials, current)
	}
	observe(full, time.Now(), pass.Usage{Of: "storage", Share: 1}, pass.Usage{Of: "traffic", Share: 1})
	t.Cleanup(func() { unobserve(full.Name) })
	served := map[string][]string{}
	families, err := metrics.Registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, pair := range family.GetMetric()[0].GetLabel() {
			served[family.GetName()] = append(served[family.GetName()], pair.GetName())
		}
	}
	conditions, err := os.ReadFile("../api/v1alpha1/conditions.go")
	g.Expect(err).NotTo(HaveOccurred())
	rules, err := os.ReadFile("../config/prometheus/rules.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	selectors := ruleSelector.FindAllStringSubmatch(string(rules), -1)
	g.Expect(len(selectors)).To(BeNumerically(">", 10))
	for _, selector := range selectors {
		g.Expect(served).To(HaveKey(selector[1]))
		for _, matcher := range ruleMatcher.FindAllStringSubmatch(selector[2], -1) {
			g.Expect(served[selector[1]]).To(ContainElement(matcher[1]), selector[0])
			for value := range strings.SplitSeq(matcher[2], "|") {
				known := regexp.MustCompile(` = "`+value+`"`).Match(conditions) || series(t, selector[1], nil)[full.Name+","+value] > 0 ||
					matcher[1] == "status" && slices.Contains([]string{"True", "False", "Unknown"}, value)
				g.Expect(known).To(BeTrue(), "%s: there is a value %q", selector[0], value)
			}
		}
	}
}

func TestEveryValueOfALabelIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/monitoring.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var values []string
	for _, why := range slices.Concat(pass.Causes, openshift.Causes) {
		values = append(values, why.Name)
	}
	values = slices.AppendSeq(values, maps.Values(probeResults))
	values = slices.AppendSeq(values, maps.Keys(probeResults))
	values = slices.AppendSeq(values, maps.Keys(copyStates([]edgev1.SecretStatus{{Copies: &edgev1.CopiesStatus{}}})))
	for _, role := range roles {
		values = append(values, objects.RoleValue(role))
	}
	for _, value := range values {
		documented := value == edgev1.ReasonRequestFailed || strings.Contains(string(page), "`"+value+"`")
		NewWithT(t).Expect(documented).To(BeTrue(), "docs/monitoring.md tells of %s", value)
	}
}
