// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the states that Argo CD, kubectl and kstatus judge, across all steps.

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// waysIntoStates bring a new EdgeRegistry into each of the documented states.
var waysIntoStates = map[string]func(*testing.T) *edgev1.EdgeRegistry{
	"pending": func(t *testing.T) *edgev1.EdgeRegistry { return apply(t, newEdge()) },
	"progressing": func(t *testing.T) *edgev1.EdgeRegistry {
		keepPlatform(t)
		openShift.Router.NoIngress()
		return stuck(t, newEdge(), edgev1.RegistryExposed, edgev1.ReasonRouteNotAdmitted)
	},
	"api-unavailable": func(t *testing.T) *edgev1.EdgeRegistry {
		o := startOperator(t)
		o.unavailable(func(a ask) bool { return a.is(http.MethodPost, "/projectrequests") })
		edge := apply(t, newEdge())
		awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonAPIUnavailable)
		return edge
	},
	"registry-removed": func(t *testing.T) *edgev1.EdgeRegistry {
		keepPlatform(t)
		changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.ManagementState = operatorv1.Removed })
		return stuck(t, newEdge(), edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved)
	},
	"bad-input": func(t *testing.T) *edgev1.EdgeRegistry {
		return stuck(t, newEdge(func(e *edgev1.EdgeRegistry) {
			e.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: "no-such-bundle"}
		}), edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing)
	},
	"not-invited": func(t *testing.T) *edgev1.EdgeRegistry {
		return stuck(t, newEdge(inProject(makeNamespace(t).Name)), edgev1.ProjectReady, edgev1.ReasonNotInvited)
	},
	"conflict": func(t *testing.T) *edgev1.EdgeRegistry {
		project := makeNamespace(t).Name
		invite(t, project)
		createForTest(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "images"}})
		return stuck(t, newEdge(inProject(project), func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.Name = "images" }),
			edgev1.AccessGranted, edgev1.ReasonConflict)
	},
	"route-untrusted": func(t *testing.T) *edgev1.EdgeRegistry {
		keepCertificate(t)
		published := openShift.Router.CA().PEM()
		openShift.Router.SetBoth(platform.NewCA("Example Company Root").Leaf(appsHost("*")), published)
		return stuck(t, newEdge(), edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted)
	},
	"ready": func(t *testing.T) *edgev1.EdgeRegistry {
		startOperator(t)
		return awaitReady(t, apply(t, newEdge()))
	},
	"ready-with-warnings": func(t *testing.T) *edgev1.EdgeRegistry {
		keepPlatform(t)
		changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.ReadOnly = true })
		startOperator(t)
		return awaitReady(t, apply(t, newEdge()))
	},
	"registry-refuses": func(t *testing.T) *edgev1.EdgeRegistry {
		way := &detour{dial: refusingRegistry(t)}
		startOperator(t, onDetour(way))
		edge := apply(t, newEdge())
		awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
		return edge
	},
	"registry-refuses-best-effort": func(t *testing.T) *edgev1.EdgeRegistry {
		way := &detour{dial: refusingRegistry(t)}
		startOperator(t, onDetour(way))
		return awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Policy = edgev1.VerificationBestEffort })))
	},
	"renewal-waits": func(t *testing.T) *edgev1.EdgeRegistry {
		keepPlatform(t)
		o := startOperator(t)
		edge := awaitReady(t, apply(t, newEdge()))
		openShift.Registry.Fail(http.StatusServiceUnavailable)
		_, due, _ := renewals(t, edge)
		o.clock.SetTime(due)
		o.pass(t, edge)
		awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
		return edge
	},
	"copies-pending": func(t *testing.T) *edgev1.EdgeRegistry {
		return stuck(t, newEdge(copyPullTo(makeTarget(t), "line-to-come")), edgev1.SecretsPublished, edgev1.ReasonCopiesPending)
	},
	"copies-failed": func(t *testing.T) *edgev1.EdgeRegistry {
		return stuck(t, newEdge(copyPullTo(makeTarget(t), makeNamespace(t).Name)), edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	},
	"suspended": func(t *testing.T) *edgev1.EdgeRegistry {
		startOperator(t)
		edge := awaitReady(t, apply(t, newEdge()))
		setSuspend(t, edge, true)
		awaitReason(t, edge, edgev1.Ready, edgev1.ReasonSuspended)
		return edge
	},
	"stale": func(t *testing.T) *edgev1.EdgeRegistry {
		o := startOperator(t)
		edge := awaitReady(t, apply(t, newEdge()))
		o.stop(t)
		edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.DeletionPolicy = edgev1.DeletionDelete })
		return edge
	},
	"deleting": func(t *testing.T) *edgev1.EdgeRegistry {
		o := startOperator(t)
		edge := awaitReady(t, apply(t, newEdge()))
		o.unavailable(func(a ask) bool { return a.Method == http.MethodDelete && strings.Contains(a.URL.Path, "/secrets/") })
		NewWithT(t).Expect(admin.Delete(t.Context(), edge)).To(Succeed())
		awaitReason(t, edge, edgev1.Ready, edgev1.ReasonDeletionPending)
		return edge
	},
	"namespace-not-invited":  elsewhereNotInvited,
	"supplied-login-refused": elsewhereRefused,
	"supplied-login-missing": elsewhereMissing,
	"not-proven":             elsewhereNotProven,
	"cloud-namespace-absent": cloudNamespaceAbsent,
	"cloud-key-propagating":  cloudPropagating,
	"cloud-key-refused":      cloudKeyRefused,
	"cloud-quota-used-up":    cloudQuotaUsedUp,
}

// stuck starts an operator and applies an EdgeRegistry that a condition holds up for a reason.
func stuck(t *testing.T, edge *edgev1.EdgeRegistry, condition, reason string) *edgev1.EdgeRegistry {
	t.Helper()
	startOperator(t)
	apply(t, edge)
	awaitReason(t, edge, condition, reason)
	return edge
}

// unavailable has some requests of the operator fail as those to an API server that is being rolled.
func (o *operator) unavailable(some func(ask) bool) {
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if some(a) {
			return unavailableAnswer(a.Request), nil
		}
		return on()
	})
}

// The table of docs/gitops.md: in each state kstatus, kubectl wait and Ready agree about the live
// object. What is recorded of it is what Argo CD's health check is tested on.
func TestEachStateIsAsRecordedAndTheToolsAgree(t *testing.T) {
	var names []string
	for _, state := range fixtures.States {
		names = append(names, state.Name)
		t.Run(state.Name, func(t *testing.T) {
			g := NewWithT(t)
			edge := waysIntoStates[state.Name](t)
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(edgev1.GroupVersion.WithKind("EdgeRegistry"))
			g.Eventually(func(g Gomega) {
				g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), live)).To(Succeed())
				found := withoutChance(t, live)
				g.Expect(string(found)).To(Equal(fixtures.Want(t, state.File(), found)), "UPDATE_FIXTURES=1 records what is found")
			}).WithTimeout(soon / 4).WithPolling(often).Should(Succeed())

			result, err := status.Compute(live)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Status).To(Equal(state.KStatus), result.Message)
			_, err = control.Kubectl(t.Context(), "wait", "--for=condition=Ready", "--timeout=0", "edgeregistry/"+edge.Name)
			if state.Ready {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(ContainSubstring("condition not met")))
			}
			expectOneOfThree(t, reload(t, edge).Status.Conditions)
		})
	}
	NewWithT(t).Expect(slices.Collect(maps.Keys(waysIntoStates))).To(ConsistOf(names))
}

// expectOneOfThree checks that whoever is not Ready is either Stalled or Reconciling, and says why in
// the same words, unless nobody has looked or is to look.
func expectOneOfThree(t *testing.T, conditions []metav1.Condition) {
	t.Helper()
	g := NewWithT(t)
	ready := meta.FindStatusCondition(conditions, edgev1.Ready)
	var others []metav1.Condition
	for _, c := range conditions {
		if c.Type == edgev1.Stalled || c.Type == edgev1.Reconciling {
			others = append(others, c)
		}
	}
	if ready.Status == metav1.ConditionTrue || ready.Reason == edgev1.ReasonPending || ready.Reason == edgev1.ReasonSuspended {
		g.Expect(others).To(BeEmpty())
		return
	}
	g.Expect(others).To(ConsistOf(And(HaveField("Status", metav1.ConditionTrue),
		HaveField("Reason", ready.Reason), HaveField("Message", ready.Message))))
}

// withoutChance is an EdgeRegistry in YAML without what differs from run to run: names, times and
// fingerprints are replaced, the same by the same.
func withoutChance(t *testing.T, live *unstructured.Unstructured) []byte {
	t.Helper()
	edge := live.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generateName", "managedFields", "annotations"} {
		unstructured.RemoveNestedField(edge.Object, "metadata", field)
	}
	g := NewWithT(t)
	// In the order in which they came to be, which depends on how far the first pass got.
	conditions, _, err := unstructured.NestedSlice(edge.Object, "status", "conditions")
	g.Expect(err).NotTo(HaveOccurred())
	slices.SortFunc(conditions, func(a, b any) int { return strings.Compare(conditionType(a), conditionType(b)) })
	if len(conditions) > 0 {
		g.Expect(unstructured.SetNestedSlice(edge.Object, conditions, "status", "conditions")).To(Succeed())
	}
	content, err := edge.MarshalJSON()
	g.Expect(err).NotTo(HaveOccurred())
	text := strings.NewReplacer(edge.GetName(), "factory", appsHost("")[1:], "apps.example.com").Replace(string(content))
	for _, replace := range []struct{ pattern, by string }{
		{`(renewAt":")` + rfc3339, "${1}2026-03-31T08:00:00Z"},
		{`(xpiresAt":"|notAfter":"|works until |take until |expires at )` + rfc3339, "${1}2026-05-30T08:00:00Z"},
		{`(Time":"|Timestamp":"|issuedAt":"|verifiedAt":")` + rfc3339, "${1}2026-03-01T08:00:00Z"},
		{`ingress-operator@\d+`, "ingress-operator@1767225600"},
		{`localhost:\d+`, "registry.example.com:5000"},
	} {
		text = regexp.MustCompile(replace.pattern).ReplaceAllString(text, replace.by)
	}
	text = numbered(text, `\b[0-9a-f]{64}\b`, "%064x")
	text = numbered(text, `\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`, "00000000-0000-4000-8000-%012d")
	readable, err := yaml.JSONToYAML([]byte(numbered(text, `\bforeign-[a-z0-9]{5}\b`, "line-%d")))
	g.Expect(err).NotTo(HaveOccurred())
	return readable
}

func conditionType(condition any) string {
	name, _, _ := unstructured.NestedString(condition.(map[string]any), "type")
	return name
}

const rfc3339 = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`

// numbered replaces what a pattern finds by its number in the order of appearance.
func numbered(text, pattern, format string) string {
	numbers := map[string]int{}
	return regexp.MustCompile(pattern).ReplaceAllStringFunc(text, func(found string) string {
		if numbers[found] == 0 {
			numbers[found] = len(numbers) + 1
		}
		return fmt.Sprintf(format, numbers[found])
	})
}
