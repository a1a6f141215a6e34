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
	"github.com/edge-registry/edge-registry-operator/hack/manifests"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
)

func typed(t *testing.T, content []byte) edgev1.EdgeRegistry {
	t.Helper()
	var edge edgev1.EdgeRegistry
	NewWithT(t).Expect(yaml.UnmarshalStrict(content, &edge)).To(Succeed())
	return edge
}

func TestArgoKstatusAndKubectlWaitAgreeInEveryState(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitops.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var table []string
	for _, line := range strings.Split(string(page), "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 6 {
			table = append(table, strings.Join(cells[:5], " | "))
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).To(HaveLen(len(fixtures.States)), "each object of testdata has its row")
	var rows []string
	for _, state := range fixtures.States {
		t.Run(state.Name, func(t *testing.T) {
			g := NewWithT(t)
			file := "testdata/" + state.Name + ".yaml"
			obj := object(t, file)
			g.Expect(run(t, read(t, "health.lua"), obj)).To(HaveKeyWithValue("status", state.Argo))

			result, err := status.Compute(&unstructured.Unstructured{Object: obj})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Status).To(Equal(state.KStatus), result.Message)

			g.Expect(state.Ready).To(Equal(state.Argo == "Healthy"), "Argo CD agrees with Ready")
			g.Expect(state.Ready).To(Equal(state.KStatus == status.CurrentStatus), "kstatus agrees with Ready")
			g.Expect(state.Argo == "Degraded").To(Equal(state.KStatus == status.FailedStatus), "they agree on what needs a person")

			ready := meta.FindStatusCondition(typed(t, []byte(read(t, file))).Status.Conditions, edgev1.Ready)
			waits := map[bool]string{false: "waits", true: "returns"}[state.Ready]
			rows = append(rows, fmt.Sprintf("| `%s` | %s `%s` | %s | %s | %s", state.Name, ready.Status, ready.Reason, state.Argo, state.KStatus, waits))
		})
	}
	NewWithT(t).Expect(table).To(Equal(rows), "docs/gitops.md")
}

// Argo CD's own tests read health_test.yaml.
func TestHealthTestYAMLHolds(t *testing.T) {
	type test struct {
		InputPath    string         `json:"inputPath"`
		HealthStatus map[string]any `json:"healthStatus"`
	}
	var tests []test
	for _, state := range fixtures.States {
		file := "testdata/" + state.Name + ".yaml"
		tests = append(tests, test{file, run(t, read(t, "health.lua"), object(t, file))})
	}
	found := inYAML(t, map[string]any{"tests": tests})
	NewWithT(t).Expect(string(found)).To(Equal(fixtures.Want(t, filepath.Join(folder, "health_test.yaml"), found)))
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
		expected := object(t, "actions/"+test.InputPath)
		g.Expect(unstructured.SetNestedField(expected, "0001-01-01T00:00:00Z", "metadata", "annotations", annotations[test.Action])).To(Succeed())
		want := fixtures.Want(t, filepath.Join(folder, "actions", test.ExpectedOutputPath), inYAML(t, expected))
		// An empty object and an empty list are one in Lua, so the types decide.
		g.Expect(typed(t, inYAML(t, got))).To(Equal(typed(t, []byte(want))), test.Action)
	}
}

func inYAML(t *testing.T, value any) []byte {
	t.Helper()
	content, err := yaml.Marshal(value)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return content
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

// actions is the form of a kind's actions in the configuration of Argo CD.
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
	obj := object(t, "testdata/registry-removed.yaml")
	g := NewWithT(t)
	g.Expect(unstructured.SetNestedField(obj, "2026-03-02T08:00:00Z", "metadata", "deletionTimestamp")).To(Succeed())
	g.Expect(run(t, read(t, "health.lua"), obj)).To(HaveKeyWithValue("status", "Progressing"))
}

// application is what the example uses of Argo CD's Application (v1alpha1 of argoproj.io), whose CRD is not here.
type application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Project string `json:"project"`
		Source  struct {
			RepoURL        string `json:"repoURL"`
			TargetRevision string `json:"targetRevision"`
			Path           string `json:"path"`
		} `json:"source"`
		Destination struct {
			Server string `json:"server"`
		} `json:"destination"`
		SyncPolicy struct {
			Automated struct {
				Prune    bool `json:"prune"`
				SelfHeal bool `json:"selfHeal"`
			} `json:"automated"`
			SyncOptions []string `json:"syncOptions"`
			Retry       *struct {
				Limit   int64 `json:"limit"`
				Backoff struct {
					Duration    string `json:"duration"`
					Factor      int64  `json:"factor"`
					MaxDuration string `json:"maxDuration"`
				} `json:"backoff"`
			} `json:"retry"`
		} `json:"syncPolicy"`
	} `json:"spec"`
}

func TestTheExampleApplicationsFitTheRepository(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("example/applications.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	pruned := map[string]bool{}
	for _, document := range strings.Split(string(content), "\n---\n") {
		var app application
		g.Expect(yaml.UnmarshalStrict([]byte(document), &app)).To(Succeed())
		g.Expect(app.APIVersion + " " + app.Kind).To(Equal("argoproj.io/v1alpha1 Application"))
		g.Expect(app.Spec.Destination.Server).NotTo(BeEmpty())
		pruned[app.Spec.Source.Path] = app.Spec.SyncPolicy.Automated.Prune
	}
	g.Expect(pruned).To(Equal(map[string]bool{"operator": true, "registries": false}), "nothing revokes tokens by itself")

	objects, err := manifests.Render("example/registries")
	g.Expect(err).NotTo(HaveOccurred())
	waves := map[string]string{"RoleBinding": "0", "EdgeRegistry": "1"}
	for _, object := range objects {
		g.Expect(object.GetAnnotations()).To(HaveKeyWithValue("argocd.argoproj.io/sync-wave", waves[object.GetKind()]), object.GetName())
	}
	files, err := filepath.Glob("example/registries/*/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	more, err := filepath.Glob("example/registries/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects).To(HaveLen(len(files)+len(more)-1), "the kustomization names every file")
}
