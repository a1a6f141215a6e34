// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// node is one object of YAML whose schema is not at hand here.
type node = map[string]any

// documents parses each document of a file, and refuses keys that come twice.
func documents(t *testing.T, file string) []node {
	t.Helper()
	var found []node
	for text := range strings.SplitSeq(string(must(os.ReadFile(file))), "\n---\n") {
		var content any
		if err := yaml.UnmarshalStrict([]byte(text), &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if one, ok := content.(node); ok {
			found = append(found, one)
		}
	}
	return found
}

// at walks down by keys and by numbers of list elements.
func at(t *testing.T, from any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			from = from.(node)[step]
		case int:
			from = from.([]any)[step]
		}
	}
	return from
}

// values maps the names of a list of {name, value} to their values.
func values(list any) map[string]string {
	found := map[string]string{}
	for _, entry := range list.([]any) {
		value, _ := entry.(node)["value"].(string)
		found[entry.(node)["name"].(string)] = value
	}
	return found
}

func TestEveryFileIsOfTheKindsThatItIsFor(t *testing.T) {
	want := map[string][]string{
		"kustomization.yaml": {"Kustomization"}, "job.yaml": {"Job"}, "tekton.yaml": {"Task", "Pipeline"}, "tekton-run.yaml": {"PipelineRun"},
		"github-actions.yaml": {""}, "gitlab-ci.yaml": {""}, "cloud-init.yaml": {""}, "ansible.yaml": nil,
	}
	g := NewWithT(t)
	g.Expect(must(filepath.Glob("*.yaml"))).To(ConsistOf(slices.Collect(maps.Keys(want))))
	for file, kinds := range want {
		var found []string
		for _, document := range documents(t, file) {
			kind, _ := document["kind"].(string)
			found = append(found, kind)
		}
		g.Expect(found).To(Equal(kinds), file)
	}
}

// A comma in {a: b, c} makes a key "c" without a value, which no strict reader accepts.
func TestEveryKeyHasAValue(t *testing.T) {
	for _, file := range must(filepath.Glob("*.yaml")) {
		var content any
		for text := range strings.SplitSeq(string(must(os.ReadFile(file))), "\n---\n") {
			NewWithT(t).Expect(yaml.Unmarshal([]byte(text), &content)).To(Succeed())
			NewWithT(t).Expect(string(must(json.Marshal(content)))).NotTo(MatchRegexp(`.{0,60}":null`), file)
		}
	}
}

// The logic is in publish.sh alone.
func TestEveryPipelineRunsTheScriptAndNoCopyOfIt(t *testing.T) {
	for _, file := range []string{"job.yaml", "tekton.yaml", "github-actions.yaml", "gitlab-ci.yaml"} {
		g := NewWithT(t)
		var code []string
		for line := range strings.Lines(string(must(os.ReadFile(file)))) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				code = append(code, line)
			}
		}
		text := strings.Join(code, "")
		g.Expect(text).To(ContainSubstring("/publish.sh"), file)
		g.Expect(text).NotTo(MatchRegexp(`(docker|podman|buildah) (login|build|push)|hzn exchange|password-stdin`), file)
	}
}

func TestTheKustomizationMakesTheConfigMapThatIsMounted(t *testing.T) {
	g := NewWithT(t)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), ".")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rendered.Size()).To(Equal(1))
	var script corev1.ConfigMap
	g.Expect(yaml.UnmarshalStrict(must(rendered.AsYaml()), &script)).To(Succeed())
	g.Expect(script.Data).To(Equal(map[string]string{"publish.sh": string(must(os.ReadFile("publish.sh")))}))
	for file, volumes := range map[string][]any{
		"job.yaml":    {"spec", "template", "spec", "volumes"},
		"tekton.yaml": {"spec", "volumes"},
	} {
		names := ""
		for _, volume := range at(t, documents(t, file)[0], volumes...).([]any) {
			if source, ok := volume.(node)["configMap"].(node); ok {
				names += source["name"].(string)
			}
		}
		g.Expect(names).To(Equal(script.Name), file)
	}
}

// expectEnoughForTheScript runs it with what the file gives, and with what the Secrets add.
func expectEnoughForTheScript(t *testing.T, file string, given map[string]string) {
	t.Helper()
	// The Secret of a registry that public CAs verify has no ca.crt.
	for _, folder := range []string{".", "without-a-ca"} {
		expectEnoughWith(t, file, given, folder)
	}
	expectDeployed(t, file, given)
}

// expectDeployed fills in what an example leaves empty for what follows the service.
func expectDeployed(t *testing.T, file string, given map[string]string) {
	t.Helper()
	g := NewWithT(t)
	filled := maps.Clone(given)
	for name, value := range map[string]string{"SERVICE_POLICY": "ca.crt", "PATTERN": "ca.crt", "POLICY": "ca.crt", "POLICY_NAME": "all"} {
		g.Expect(given).To(HaveKeyWithValue(name, ""), file)
		filled[name] = value
	}
	calls := expectEnoughWith(t, file, filled, ".")
	g.Expect(calls).To(MatchRegexp("(?s)service\x1faddpolicy.*pattern\x1fpublish.*deployment\x1faddpolicy.*pull"), file)
}

// expectEnoughWith returns the calls that the script makes.
func expectEnoughWith(t *testing.T, file string, given map[string]string, folder string) string {
	t.Helper()
	p := newPipeline(t, []string{"sh"})
	p.write("without-a-ca/another", "")
	forSecrets := []string{"OCP_DOCKER_HOST", "OCP_USER", "OCP_TOKEN", "IMAGE_PREFIX", "HZN_REGISTRY_AUTH", "HZN_ORG_ID", "HZN_EXCHANGE_URL", "HZN_EXCHANGE_USER_AUTH"}
	kept := []string{"PATH", "HOME", "TMPDIR", "RECORD", "DIGEST", "INSPECTED"}
	maps.DeleteFunc(p.env, func(name, _ string) bool { return !slices.Contains(append(forSecrets, kept...), name) })
	maps.Copy(p.env, given)
	if given["CA_DIR"] != "" {
		p.env["CA_DIR"] = folder
	}
	result := p.run()
	g := NewWithT(t)
	g.Expect(result.code).To(BeZero(), "%s: %s", file, result.stderr)
	g.Expect(p.recorded("calls")).To(ContainSubstring(given["ENGINE"]+"\x1fpush"), file)
	trusts := strings.Contains(p.recorded("calls"), "--cert-dir=") || strings.Contains(result.stderr, "install -D -m 0644 ./ca.crt")
	g.Expect(trusts).To(Equal(given["CA_DIR"] != "" && folder == "."), "%s, CA_DIR %s", file, folder)
	return p.recorded("calls")
}

func TestTheJobHasAllThatTheScriptNeeds(t *testing.T) {
	g := NewWithT(t)
	var job batchv1.Job
	g.Expect(yaml.UnmarshalStrict(must(os.ReadFile("job.yaml")), &job)).To(Succeed())
	pod := job.Spec.Template.Spec
	container := pod.Containers[0]
	given := map[string]string{}
	for _, variable := range container.Env {
		given[variable.Name] = variable.Value
	}
	g.Expect(given["CA_DIR"]).To(Equal("/run/edge"))
	g.Expect(container.Command).To(Equal([]string{"sh", "/opt/edge/publish.sh"}))
	g.Expect(*pod.AutomountServiceAccountToken).To(BeFalse())
	expectMounted(g, pod.Volumes, container.VolumeMounts, container.EnvFrom)
	expectEnoughForTheScript(t, "job.yaml", given)
}

// expectMounted checks that the certificate and the login come from one Secret, and nothing else of it as a file.
func expectMounted(g Gomega, volumes []corev1.Volume, mounts []corev1.VolumeMount, from []corev1.EnvFromSource) {
	byName := map[string]corev1.Volume{}
	for _, volume := range volumes {
		byName[volume.Name] = volume
	}
	places := map[string]string{}
	for _, mount := range mounts {
		g.Expect(byName).To(HaveKey(mount.Name))
		places[mount.Name] = mount.MountPath
	}
	g.Expect(places).To(And(HaveKeyWithValue("script", "/opt/edge"), HaveKeyWithValue("ca", "/run/edge")))
	g.Expect(byName["ca"].Secret.Items).To(HaveExactElements(corev1.KeyToPath{Key: "ca.crt", Path: "ca.crt"}))
	g.Expect(byName["ca"].Secret.Optional).To(HaveValue(BeTrue()), "there is none where public CAs verify the registry")
	g.Expect(from[0].SecretRef.Name).To(Equal(byName["ca"].Secret.SecretName))
}

// Tekton's own types are no dependency of this module, so the parts that Kubernetes knows are decoded, and the
// references between the objects are followed.
func TestTheTaskAndThePipelineFitTogether(t *testing.T) {
	g := NewWithT(t)
	objects := documents(t, "tekton.yaml")
	task, pipeline, run := objects[0], objects[1], documents(t, "tekton-run.yaml")[0]
	for _, object := range []node{task, pipeline, run} {
		g.Expect(object["apiVersion"]).To(Equal("tekton.dev/v1"))
	}
	var step struct {
		Name, Image, WorkingDir string
		Command, Args           []string
		Env                     []corev1.EnvVar
		EnvFrom                 []corev1.EnvFromSource
		VolumeMounts            []corev1.VolumeMount
		SecurityContext         *corev1.SecurityContext
	}
	g.Expect(yaml.UnmarshalStrict(must(json.Marshal(at(t, task, "spec", "steps", 0))), &step)).To(Succeed())
	var volumes []corev1.Volume
	g.Expect(yaml.UnmarshalStrict(must(json.Marshal(at(t, task, "spec", "volumes"))), &volumes)).To(Succeed())
	g.Expect(step.Command).To(Equal([]string{"sh", "/opt/edge/publish.sh"}))
	expectMounted(g, volumes, step.VolumeMounts, step.EnvFrom)

	declared := slices.Collect(maps.Keys(values(at(t, task, "spec", "params"))))
	g.Expect(parametersOf(at(t, task, "spec"))).To(ConsistOf(declared), "of the Task")
	publish, fetch := at(t, pipeline, "spec", "tasks", 1).(node), at(t, pipeline, "spec", "tasks", 0).(node)
	g.Expect(at(t, publish, "taskRef", "name")).To(Equal(at(t, task, "metadata", "name")))
	g.Expect(publish["runAfter"]).To(Equal([]any{fetch["name"]}))
	g.Expect(declared).To(ContainElements(slices.Collect(maps.Keys(values(publish["params"])))))
	g.Expect(parametersOf(at(t, pipeline, "spec", "tasks"))).To(ConsistOf(slices.Collect(maps.Keys(values(at(t, pipeline, "spec", "params"))))), "of the Pipeline")
	g.Expect(at(t, run, "spec", "pipelineRef", "name")).To(Equal(at(t, pipeline, "metadata", "name")))
	given := values(at(t, run, "spec", "params"))
	g.Expect(slices.Collect(maps.Keys(given))).To(ConsistOf(parametersOf(at(t, pipeline, "spec", "tasks"))), "of the PipelineRun")

	environment := map[string]string{}
	for _, variable := range step.Env {
		name := strings.TrimSuffix(strings.TrimPrefix(variable.Value, "$(params."), ")")
		environment[variable.Name] = variable.Value
		if name != variable.Value {
			environment[variable.Name] = given[name]
		}
	}
	expectEnoughForTheScript(t, "tekton.yaml", environment)
}

var parameter = regexp.MustCompile(`\$\(params\.([a-z-]+)(?:\[\*\])?\)`)

// parametersOf are the parameters that a part of a manifest uses.
func parametersOf(part any) []string {
	var found []string
	for _, match := range parameter.FindAllStringSubmatch(string(must(json.Marshal(part))), -1) {
		if !slices.Contains(found, match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

// The shell of each workflow is parsed, and its last step has what the script needs. GitHub's and GitLab's schemas are
// not at hand.
func TestTheWorkflowsHaveAllThatTheScriptNeeds(t *testing.T) {
	g := NewWithT(t)
	workflow := documents(t, "github-actions.yaml")[0]
	steps := at(t, workflow, "jobs", "publish", "steps").([]any)
	given := map[string]string{"VERSION": "1.2.3"}
	for name, value := range at(t, steps[len(steps)-1], "env").(node) {
		if !strings.HasPrefix(value.(string), "${{ secrets.") {
			given[name] = value.(string)
		} else {
			g.Expect(value).To(Equal("${{ secrets."+name+" }}"), "a secret has the name of the key")
		}
	}
	delete(given, "DOCKER_CONFIG")
	var scripts []string
	for _, step := range steps {
		if script, ok := step.(node)["run"].(string); ok {
			scripts = append(scripts, script)
			g.Expect(script).NotTo(ContainSubstring("${{"), "an expression in a script is code of whoever sets it")
		}
	}
	expectEnoughForTheScript(t, "github-actions.yaml", given)

	job := documents(t, "gitlab-ci.yaml")[0]["publish"].(node)
	given = map[string]string{"VERSION": "1.2.3"}
	for name, value := range job["variables"].(node) {
		given[name] = value.(string)
	}
	expectEnoughForTheScript(t, "gitlab-ci.yaml", given)
	for _, line := range job["script"].([]any) {
		scripts = append(scripts, line.(string))
	}
	for _, script := range scripts {
		output, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", script).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "%s\n%s", script, output)
	}
}

// The commands in the file fill it in, from a Secret as it is, and what they make fits into what EC2 takes.
func TestCloudInitCarriesTheScriptOfTheSecret(t *testing.T) {
	const mostOfEC2 = 16384
	g := NewWithT(t)
	script := nodeScript(t)
	text := string(must(os.ReadFile("cloud-init.yaml")))
	g.Expect(text).To(HavePrefix("#cloud-config\n"))
	commands := regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(text, -1)
	g.Expect(commands).To(HaveLen(2))
	tools := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(tools, "oc"), []byte("#!/bin/sh\nprintf '%s' \"$SECRET\"\n"), 0o700)).To(Succeed())
	command := exec.CommandContext(t.Context(), "sh", "-c", commands[0][1]+"\n"+strings.TrimSuffix(commands[1][1], ">user-data"))
	command.Dir = "../.."
	command.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "SECRET="+base64.StdEncoding.EncodeToString(script))
	userData := must(command.Output())
	g.Expect(len(userData)).To(BeNumerically("<", mostOfEC2))
	var config struct {
		WriteFiles []struct{ Path, Permissions, Encoding, Content string } `json:"write_files"`
		RunCmd     [][]string                                              `json:"runcmd"`
	}
	g.Expect(yaml.UnmarshalStrict(userData, &config)).To(Succeed())
	file := config.WriteFiles[0]
	g.Expect(file.Encoding).To(Equal("gz+b64"))
	unpacked := must(gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(file.Content))))
	g.Expect(must(io.ReadAll(unpacked))).To(Equal(script))
	g.Expect(strings.Count(string(userData), file.Content)).To(Equal(1), "the script once")
	g.Expect(config.RunCmd).To(Equal([][]string{{"sh", file.Path, "--no-check"}}))
}

// nodeScript is node-bootstrap.sh as the operator publishes it, with one root of RSA.
func nodeScript(t *testing.T) []byte {
	t.Helper()
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ingress-operator@1767225600"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, root, root, key.Public(), key))
	login := handoff.Login{User: "edge-puller.factory", Token: credential.NewToken("a.b.c")}
	data := must(handoff.PullData(handoff.Input{
		Host: "default-route-openshift-image-registry.apps.example.com", Provider: "openshift", Project: "factory",
		Publisher: handoff.Login{User: "edge-publisher.factory", Token: credential.NewToken("d.e.f")}, Puller: login,
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}))
	return data[handoff.KeyNodeBootstrap]
}
