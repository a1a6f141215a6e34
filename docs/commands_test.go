// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// notRun are the commands that cannot run here, by regular expressions for their beginnings, and
// why. All others of the shell examples are run, against a real API server with the operator at
// work. testdata/played has what stands in for oc, ssh, sudo, docker, hzn and ibmcloud.
var notRun = map[string]string{
	"make demo":                         "hack/demo has a test of its own",
	"make install-plugin":               "the plugin is built for these tests, and is on their PATH",
	"kubectl edgereg login":             "root would have it write into /etc; cmd/kubectl-edgereg/command has tests with played engines",
	"make dist":                         "hack/dist has tests of its own",
	"make bundle":                       "hack/bundle has tests of its own, and make verify runs it",
	"kubectl wait .*/plant-namespace":   "there is no account at IBM Cloud",
	"go test":                           "a fuzz target runs for as long as one likes",
	"skopeo":                            "there is no registry with the operator's image",
	"(oc|kubectl) (rollout|logs)":       "no kubelet starts a pod",
	"oc apply --server-side":            "make dist writes what it applies",
	"make deploy CONFIG=":               "the control plane plays OpenShift; config has a test with one that does not",
	"oc delete -f install.yaml":         "make dist writes it",
	"oc patch argocd":                   "Argo CD is not installed",
	"kubectl patch configmap argocd-cm": "Argo CD is not installed",
	"oc (adm|set data)":                 "kubectl has no such command",
	"oc get (co|clusteroperators?) ":    "no operator of OpenShift is here to report",
	"oc (apply -k config/prometheus|get servicemonitor)":                                       "Prometheus Operator is not installed",
	"(BASE=sensor VERSION=1.0.0 )?sh (../edge-registry-operator/)?config/consumers/publish.sh": "config/consumers and test/consumers run it with each engine",
	`(sudo -s -E )?./agent-install.sh`:                                                         "it is Open Horizon's",
}

// placeholder is what a reader replaces.
var placeholder = regexp.MustCompile(`\b(NAME|PROJECT)\b`)

// before is what a page takes for granted.
var before = map[string]string{
	"ca.md":      `kubectl get configmap kube-root-ca.crt -n default -o jsonpath='{.data.ca\.crt}' >new-root.crt`,
	"install.md": "export IMG=controller:latest",
}

// given is what every page takes for granted besides the EdgeRegistry factory. It is one command: each costs half a second.
const given = `
kubectl apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ci"}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "existing-project"}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openhorizon-agent"}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openshift-config"}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plant"}}
---
# OpenShift's service CA would make it for the metrics.
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "edge-registry-metrics-tls", "namespace": "edge-registry-system"}}
---
{"apiVersion": "config.openshift.io/v1", "kind": "Image", "metadata": {"name": "cluster"}, "spec": {}}
END
`

// nothing removes what an EdgeRegistry factory may have left.
const nothing = `
kubectl delete edgeregistries --all
kubectl delete namespace factory --ignore-not-found
`

// factory recreates it, unless the page before left one that is Ready.
const factory = `
kubectl wait --for=condition=Ready edgeregistry/factory --timeout=1s && exit 0
` + nothing + `
kubectl apply -f config/samples/edge_v1alpha1_edgeregistry.yaml
kubectl wait --for=condition=Ready edgeregistry/factory --timeout=3m
`

// machine is where the examples run: a folder with what a checkout has, and the programs that are
// played before all others.
type machine struct{ folder, tree string }

func newMachine(t *testing.T) *machine {
	t.Helper()
	g := NewWithT(t)
	m := &machine{folder: t.TempDir()}
	m.tree = filepath.Join(m.folder, "tree")
	for _, folder := range []string{"config", "bundle", "hack"} {
		g.Expect(os.CopyFS(filepath.Join(m.tree, folder), os.DirFS(filepath.Join("..", folder)))).To(Succeed())
	}
	for _, file := range []string{"Makefile", "go.mod", "go.sum"} {
		g.Expect(os.WriteFile(filepath.Join(m.tree, file), []byte(read(t, filepath.Join("..", file))), 0o600)).To(Succeed())
	}
	g.Expect(os.MkdirAll(filepath.Join(m.folder, "root"), 0o700)).To(Succeed())
	plugin(t)
	control := cluster(t)
	g.Expect(control.Kubeconfig(control.Admin, filepath.Join(m.folder, "kubeconfig"))).To(Succeed())
	return m
}

// plugin is the folder of kubectl edgereg.
func plugin(t *testing.T) string {
	t.Helper()
	folder, err := buildPlugin()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

var buildPlugin = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "edgereg-plugin-")
	if err != nil {
		return "", err
	}
	stops = append(stops, func() { _ = os.RemoveAll(folder) })
	output, err := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(folder, "kubectl-edgereg"), "../cmd/kubectl-edgereg").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the plugin: %w\n%s", err, output)
	}
	return folder, nil
})

// run runs a script, which ends at the first command that fails, and returns all of its output.
func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	played, err := filepath.Abs("testdata/played")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	cmd.Dir = m.tree
	cmd.Env = append(os.Environ(), "MACHINE="+m.folder, "TMPDIR="+m.folder, "KUBERC=off",
		"KUBECONFIG="+filepath.Join(m.folder, "kubeconfig"),
		"PATH="+strings.Join([]string{played, plugin(t), cluster(t).Assets(), os.Getenv("PATH")}, string(filepath.ListSeparator)))
	output := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second
	NewWithT(t).Expect(cmd.Run()).To(Succeed(), "%s\n%s", script, output)
	// Every token begins so.
	NewWithT(t).Expect(strings.Contains(output.String(), "eyJ")).To(BeFalse(), "the output shows a token")
	return output.String()
}

// runnable takes out of a script what cannot run here, and marks in used by which entry of notRun.
func runnable(script string, used map[string]bool) string {
	var kept []string
	dropped := false
	for line := range strings.Lines(script) {
		command := strings.TrimSpace(line)
		if !dropped {
			for start := range notRun {
				if regexp.MustCompile("^(" + start + ")").MatchString(command) {
					used[start], dropped = true, true
				}
			}
		}
		if dropped {
			dropped = strings.HasSuffix(command, `\`) || strings.HasSuffix(command, "|")
			continue
		}
		kept = append(kept, line)
	}
	return placeholder.ReplaceAllString(strings.Join(kept, ""), "factory")
}

// inText returns the oc commands within the text, those with arguments.
func inText(t *testing.T, used map[string]bool) []string {
	t.Helper()
	var found []string
	for _, page := range documents(t) {
		for _, span := range codeSpan.FindAllString(fence.ReplaceAllString(read(t, page), ""), -1) {
			command := strings.ReplaceAll(strings.Trim(span, "`"), `\|`, "|")
			if strings.HasPrefix(command, "oc ") && len(strings.Fields(command)) > 3 {
				found = append(found, runnable(command, used))
			}
		}
	}
	return found
}

// TestEveryCommandInTheTextIsAccepted runs them without effect.
func TestEveryCommandInTheTextIsAccepted(t *testing.T) {
	m := newMachine(t)
	m.run(t, given+factory)
	m.run(t, `sed 's/name: factory/name: line-two/' config/samples/edge_v1alpha1_edgeregistry.yaml | kubectl apply -f -
		kubectl apply -f bundle/grants.yaml`)
	commands := inText(t, map[string]bool{})
	NewWithT(t).Expect(len(commands)).To(BeNumerically(">", 10))
	writes := regexp.MustCompile("^oc (annotate|apply|delete|patch) ")
	for _, command := range commands {
		if writes.MatchString(command) {
			command += " --dry-run=server"
		}
		m.run(t, command)
	}
	m.run(t, nothing)
}

// differs is what is another in each cluster and at each time.
var differs = regexp.MustCompile(`default-route-[a-z0-9.-]+|CN=[^", ]+|\d{4}-\d\d-\d\dT[\d:]+Z|\b\d+[dhms](\d+[hms])?\b`)

func alike(text string) string { return differs.ReplaceAllString(strings.TrimSpace(text), "…") }

// TestTheStatusThatIsShownIsReal has the plugin show a fresh EdgeRegistry, and one without a registry.
func TestTheStatusThatIsShownIsReal(t *testing.T) {
	g := NewWithT(t)
	m := newMachine(t)
	manage := func(state string) string {
		return "kubectl patch configs.imageregistry.operator.openshift.io cluster --type=merge -p '{\"spec\":{\"managementState\":\"" + state + "\"}}'\n"
	}
	m.run(t, given+nothing)
	m.run(t, factory)
	printed := m.run(t, "kubectl edgereg status factory")
	removed := m.run(t, nothing+manage("Removed")+`
kubectl apply -f config/samples/edge_v1alpha1_edgeregistry.yaml
kubectl wait --for=condition=Stalled edgeregistry/factory --timeout=1m
echo TOLD
kubectl edgereg why factory || true
`+manage("Managed")+nothing)
	_, removed, _ = strings.Cut(removed, "TOLD\n")
	removed, _, _ = strings.Cut(removed, "config.imageregistry.operator.openshift.io/cluster patched")
	shown, why := "", ""
	for _, block := range blocks(read(t, troubleshooting), "text") {
		if strings.HasPrefix(block, "factory  Ready") {
			shown = block
		}
		if _, after, found := strings.Cut(block, "$ kubectl edgereg why factory\n"); found {
			why = after
		}
	}
	g.Expect(alike(shown)).To(Equal(alike(printed)))
	g.Expect(alike(why)).To(Equal(alike(removed)))
}

// TestEveryPageRuns runs the shell examples of each page in their order, in one shell, from an
// EdgeRegistry that is Ready. The README comes last and begins with nothing: at its end it removes
// the operator, so no test that needs it may follow.
func TestEveryPageRuns(t *testing.T) {
	g := NewWithT(t)
	pages := documents(t)
	slices.Reverse(pages)
	g.Expect(pages[len(pages)-1]).To(Equal(readme))
	used := map[string]bool{}
	control := cluster(t)
	t.Cleanup(func() {
		_, err := control.InstallOperator(context.Background())
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	})
	for _, page := range pages {
		script := runnable(strings.Join(blocks(read(t, page), "sh"), ""), used)
		if strings.TrimSpace(script) == "" {
			continue
		}
		t.Run(strings.ReplaceAll(strings.TrimPrefix(page, "../"), "/", "-"), func(t *testing.T) {
			m := newMachine(t)
			m.run(t, given)
			if page == readme {
				m.run(t, nothing)
			} else {
				m.run(t, factory)
			}
			m.run(t, before[filepath.Base(page)]+"\n"+script)
		})
	}
	inText(t, used)
	g.Expect(slices.Sorted(maps.Keys(used))).To(Equal(slices.Sorted(maps.Keys(notRun))), "notRun names what is in no document")
}
