// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package argocd_test runs what config/argocd ships for Argo CD.
package argocd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// states is what each tool says of each object in testdata, in the order of the documented table.
// kubectl wait wants the condition to be of the generation of the object.
var states = []struct {
	name    string
	argo    string
	kstatus status.Status
	waits   bool
}{
	{"pending", "Progressing", status.InProgressStatus, true},
	{"reconciling", "Progressing", status.InProgressStatus, true},
	{"api-unavailable", "Progressing", status.InProgressStatus, true},
	{"stalled", "Degraded", status.FailedStatus, true},
	{"ready", "Healthy", status.CurrentStatus, false},
	{"verified-with-warnings", "Healthy", status.CurrentStatus, false},
	{"best-effort-refused", "Healthy", status.CurrentStatus, false},
	{"verification-refused", "Progressing", status.InProgressStatus, true},
	{"proof-failed", "Progressing", status.InProgressStatus, true},
	{"copies-failed", "Degraded", status.FailedStatus, true},
	{"suspended", "Suspended", status.InProgressStatus, true},
	{"stale", "Progressing", status.InProgressStatus, true},
	{"deleting", "Progressing", status.TerminatingStatus, true},
}

func typed(t *testing.T, path string) edgev1.EdgeRegistry {
	t.Helper()
	var edge edgev1.EdgeRegistry
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(read(t, path)), &edge)).To(Succeed(), path)
	return edge
}

func TestArgoKstatusAndKubectlWaitAgreeInEveryState(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitops.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).To(HaveLen(len(states)), "each object of testdata has its row")
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			g := NewWithT(t)
			file := "testdata/" + state.name + ".yaml"
			obj := object(t, file)
			g.Expect(run(t, read(t, "health.lua"), obj)).To(HaveKeyWithValue("status", state.argo))

			result, err := status.Compute(&unstructured.Unstructured{Object: obj})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Status).To(Equal(state.kstatus), result.Message)

			edge := typed(t, file)
			ready := meta.FindStatusCondition(edge.Status.Conditions, edgev1.Ready)
			isReady := ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == edge.Generation
			g.Expect(isReady).To(Equal(!state.waits), "kubectl wait")

			g.Expect(isReady).To(Equal(state.argo == "Healthy"), "Argo CD agrees with Ready")
			g.Expect(isReady).To(Equal(state.kstatus == status.CurrentStatus), "kstatus agrees with Ready")
			g.Expect(state.argo == "Degraded").To(Equal(state.kstatus == status.FailedStatus))

			waits := map[bool]string{true: "waits", false: "returns"}[state.waits]
			row := fmt.Sprintf("| `%s` | %s | %s | %s | %s |", state.name, ready.Status, state.argo, state.kstatus, waits)
			g.Expect(strings.Contains(string(page), row)).To(BeTrue(), "docs/gitops.md has no row %s", row)
		})
	}
}

// TestTheStatesAreAsTheOperatorWritesThem holds testdata to what the operator promises of Ready.
func TestTheStatesAreAsTheOperatorWritesThem(t *testing.T) {
	reasons, err := os.ReadFile("../../api/v1alpha1/conditions.go")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			g := NewWithT(t)
			conditions := typed(t, "testdata/"+state.name+".yaml").Status.Conditions
			for _, c := range conditions {
				g.Expect(string(reasons)).To(ContainSubstring(`= "`+c.Reason+`"`), c.Type)
			}
			ready := meta.FindStatusCondition(conditions, edgev1.Ready)
			stalled := meta.FindStatusCondition(conditions, edgev1.Stalled)
			reconciling := meta.FindStatusCondition(conditions, edgev1.Reconciling)
			if ready.Status == metav1.ConditionTrue || ready.Reason == edgev1.ReasonPending || ready.Reason == edgev1.ReasonSuspended {
				g.Expect(stalled).To(BeNil())
				g.Expect(reconciling).To(BeNil())
				return
			}
			g.Expect(stalled == nil).NotTo(Equal(reconciling == nil), "one of Stalled and Reconciling")
			why := stalled
			if why == nil {
				why = reconciling
			}
			g.Expect(why.Reason).To(Equal(ready.Reason))
			g.Expect(why.Message).To(Equal(ready.Message))
		})
	}
}

func TestHealthTestYAMLHolds(t *testing.T) {
	var file struct {
		Tests []struct {
			InputPath    string         `json:"inputPath"`
			HealthStatus map[string]any `json:"healthStatus"`
		} `json:"tests"`
	}
	g := NewWithT(t)
	g.Expect(yaml.UnmarshalStrict([]byte(read(t, "health_test.yaml")), &file)).To(Succeed())
	g.Expect(file.Tests).To(HaveLen(len(states)))
	for _, test := range file.Tests {
		g.Expect(run(t, read(t, "health.lua"), object(t, test.InputPath))).To(Equal(test.HealthStatus), test.InputPath)
	}
}

func TestActionTestYAMLHolds(t *testing.T) {
	var file struct {
		DiscoveryTests []struct {
			InputPath string `json:"inputPath"`
			Result    []struct {
				Name     string `json:"name"`
				Disabled bool   `json:"disabled"`
			} `json:"result"`
		} `json:"discoveryTests"`
		ActionTests []struct {
			Action             string `json:"action"`
			InputPath          string `json:"inputPath"`
			ExpectedOutputPath string `json:"expectedOutputPath"`
		} `json:"actionTests"`
	}
	g := NewWithT(t)
	g.Expect(yaml.UnmarshalStrict([]byte(read(t, "actions/action_test.yaml")), &file)).To(Succeed())
	g.Expect(file.DiscoveryTests).NotTo(BeEmpty())
	g.Expect(file.ActionTests).To(HaveLen(2))
	for _, test := range file.DiscoveryTests {
		want := map[string]any{}
		for _, action := range test.Result {
			want[action.Name] = map[string]any{"disabled": action.Disabled}
		}
		g.Expect(run(t, read(t, "actions/discovery.lua"), object(t, "actions/"+test.InputPath))).To(Equal(want), test.InputPath)
	}
	annotations := map[string]string{"rotate": edgev1.RotateAnnotation, "reconcile": edgev1.ReconcileAnnotation}
	for _, test := range file.ActionTests {
		got := run(t, read(t, "actions/"+test.Action+"/action.lua"), object(t, "actions/"+test.InputPath))
		value, _, err := unstructured.NestedString(got, "metadata", "annotations", annotations[test.Action])
		g.Expect(err).NotTo(HaveOccurred())
		_, err = time.Parse(time.RFC3339, value)
		g.Expect(err).NotTo(HaveOccurred(), "each request has the time for its value")
		g.Expect(unstructured.SetNestedField(got, "0001-01-01T00:00:00Z", "metadata", "annotations", annotations[test.Action])).To(Succeed())
		// An empty object and an empty list are one in Lua, so the types decide.
		var have edgev1.EdgeRegistry
		content, err := yaml.Marshal(got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(yaml.UnmarshalStrict(content, &have)).To(Succeed())
		g.Expect(have).To(Equal(typed(t, "actions/"+test.ExpectedOutputPath)), test.Action)
	}
}

func TestAnActionKeepsTheOtherAnnotations(t *testing.T) {
	g := NewWithT(t)
	obj := object(t, "actions/testdata/reconcile-asked.yaml")
	got := run(t, read(t, "actions/rotate/action.lua"), obj)
	annotations, _, err := unstructured.NestedStringMap(got, "metadata", "annotations")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(annotations).To(HaveKeyWithValue(edgev1.ReconcileAnnotation, "0001-01-01T00:00:00Z"))
	g.Expect(annotations).To(HaveKey(edgev1.RotateAnnotation))
}

// actions is how Argo CD is told of a kind's actions in its configuration.
type actions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string `json:"name"`
		Action string `json:"action.lua"`
	} `json:"definitions"`
}

func TestTheSnippetsHoldTheSameLua(t *testing.T) {
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	var argoCD struct {
		Spec struct {
			HealthChecks []map[string]string `json:"resourceHealthChecks"`
			Actions      []map[string]string `json:"resourceActions"`
		} `json:"spec"`
	}
	for file, into := range map[string]any{"argocd-cm.yaml": &configMap, "openshift-gitops.yaml": &argoCD} {
		content, err := os.ReadFile(file)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(yaml.Unmarshal(content, into)).To(Succeed(), file)
	}
	g := NewWithT(t)
	kind := edgev1.GroupVersion.Group + "_EdgeRegistry"
	health := read(t, "health.lua")
	g.Expect(configMap.Data).To(HaveKeyWithValue("resource.customizations.health."+kind, health))
	g.Expect(argoCD.Spec.HealthChecks).To(ConsistOf(map[string]string{"group": edgev1.GroupVersion.Group, "kind": "EdgeRegistry", "check": health}))
	g.Expect(argoCD.Spec.Actions).To(HaveLen(1))
	g.Expect(argoCD.Spec.Actions[0]).To(And(HaveKeyWithValue("group", edgev1.GroupVersion.Group), HaveKeyWithValue("kind", "EdgeRegistry")))
	for _, text := range []string{configMap.Data["resource.customizations.actions."+kind], argoCD.Spec.Actions[0]["action"]} {
		var found actions
		g.Expect(yaml.UnmarshalStrict([]byte(text), &found)).To(Succeed())
		g.Expect(found.Discovery).To(Equal(read(t, "actions/discovery.lua")))
		g.Expect(found.Definitions).To(HaveLen(2))
		for _, definition := range found.Definitions {
			g.Expect(definition.Action).To(Equal(read(t, "actions/"+definition.Name+"/action.lua")))
		}
	}
}

func TestADeletionIsProgressWhateverWasWrongBefore(t *testing.T) {
	obj := object(t, "testdata/stalled.yaml")
	g := NewWithT(t)
	g.Expect(unstructured.SetNestedField(obj, "2026-03-02T08:00:00Z", "metadata", "deletionTimestamp")).To(Succeed())
	g.Expect(run(t, read(t, "health.lua"), obj)).To(HaveKeyWithValue("status", "Progressing"))
}
