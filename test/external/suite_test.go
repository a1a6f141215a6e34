// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package external_test has the operator judged by registries that we did not write, with real clients: distribution, with
// logins by htpasswd and by tokens, and the one that Debian packages.
package external_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

const (
	operatorNamespace = "edge-registry-system"
	suppliedTo        = "edge-registry-credentials"

	soon  = 2 * time.Minute
	often = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	if running != nil {
		running.stop()
	}
	os.Exit(code)
}

// cluster is a Kubernetes without anything of OpenShift, with the operator at work in it as a process of its own, under the
// roles that config/overlays/kubernetes ships.
type cluster struct {
	*env.Env
	log      string // path of the operator's
	registry string // path of the program
	manager  *exec.Cmd
}

var (
	running *cluster
	// start is done once.
	start = sync.OnceValue(func() (err error) {
		running, err = startCluster(context.Background())
		return err
	})
)

// useCluster returns the cluster of all tests.
func useCluster(t *testing.T) *cluster {
	t.Helper()
	NewWithT(t).Expect(start()).To(Succeed())
	return running
}

func startCluster(ctx context.Context) (_ *cluster, err error) {
	c := &cluster{}
	if c.Env, err = env.Start(ctx, env.Options{PlainKubernetes: true}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	binary, kubeconfig := filepath.Join(c.Dir, "manager"), filepath.Join(c.Dir, "operator.kubeconfig")
	c.registry = filepath.Join(c.Dir, "registry")
	if err := distribution.Build(ctx, c.registry); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = env.RepoRoot()
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the manager: %w: %s", err, output)
	}
	account, err := c.InstallOperator(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Kubeconfig(account, kubeconfig); err != nil {
		return nil, err
	}
	c.log = filepath.Join(c.Dir, "manager.log")
	log, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// With the lease it ends by itself should this process die.
	manager := exec.CommandContext(ctx, binary, "--kubeconfig="+kubeconfig, "--namespace="+operatorNamespace, "--leader-elect=true",
		"--metrics-bind-address=0", "--health-probe-bind-address=0")
	manager.Env = []string{"HOME=" + c.Dir, "TMPDIR=" + c.Dir}
	manager.Stdout, manager.Stderr = log, log
	if err := manager.Start(); err != nil {
		return nil, fmt.Errorf("start the manager: %w", err)
	}
	c.manager = manager
	return c, nil
}

func (c *cluster) stop() {
	if c.manager != nil {
		_ = c.manager.Process.Signal(syscall.SIGTERM)
		_ = c.manager.Wait()
	}
	_ = c.Env.Stop()
}

// plant is an EdgeRegistry of a real registry, with all that people supply for it.
type plant struct {
	t    *testing.T
	c    *cluster
	j    *judge
	edge *edgev1.EdgeRegistry
	// passwords are all that were supplied, none of which may be printed anywhere.
	passwords []string
}

// newPlant supplies both logins and applies an EdgeRegistry that may be changed before.
func newPlant(t *testing.T, j *judge, change ...func(*plant)) *plant {
	t.Helper()
	g := NewWithT(t)
	name := fmt.Sprintf("plant-%d", time.Now().UnixNano())
	p := &plant{t: t, c: useCluster(t), j: j, edge: &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}}
	p.edge.Spec.External = &edgev1.ExternalSpec{
		Host: j.host, RepositoryPrefix: "plant/edge",
		Publisher: &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name + "-push"}},
		Puller:    &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name + "-pull"}},
	}
	p.edge.Spec.Secrets.Namespace = name
	api := p.c.Client()
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "edge-registry-secrets", Annotations: map[string]string{edgev1.ForAnnotation: name}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-secrets"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "edge-registry-controller-manager"}},
		},
		p.login("push", pusher, password(pusher)), p.login("pull", puller, password(puller)),
	} {
		g.Expect(api.Create(t.Context(), object)).To(Succeed())
	}
	for _, one := range change {
		one(p)
	}
	g.Expect(api.Create(t.Context(), p.edge)).To(Succeed())
	t.Cleanup(p.end)
	return p
}

// end deletes the EdgeRegistry and looks for passwords where none may be.
func (p *plant) end() {
	_ = p.c.Client().Delete(context.Background(), p.edge)
	log, err := os.ReadFile(p.c.log)
	if err != nil {
		p.t.Error(err)
	}
	if p.t.Failed() {
		lines := strings.Split(string(log), "\n")
		p.t.Logf("the operator's last lines:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	for _, secret := range p.passwords {
		if strings.Contains(string(log), secret) {
			p.t.Error("the operator's log holds a password")
		}
	}
}

// login is a supplied Secret.
func (p *plant) login(role, user, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: suppliedTo, Name: p.edge.Name + "-" + role,
			Labels:      map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{edgev1.ForAnnotation: p.edge.Name, "edge.open-horizon.io/publish-to": p.edge.Name},
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: p.config(user, password), "ca.crt": p.j.ca.PEM()},
	}
}

func (p *plant) config(user, password string) []byte {
	p.passwords = append(p.passwords, password)
	content, err := json.Marshal(map[string]any{"auths": map[string]any{p.j.host: map[string]string{"username": user, "password": password}}})
	NewWithT(p.t).Expect(err).NotTo(HaveOccurred())
	return content
}

// supply changes a login that is supplied.
func (p *plant) supply(role, user, password string) {
	p.t.Helper()
	patch, err := json.Marshal(map[string]any{"data": map[string][]byte{corev1.DockerConfigJsonKey: p.config(user, password)}})
	g := NewWithT(p.t)
	g.Expect(err).NotTo(HaveOccurred())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: suppliedTo, Name: p.edge.Name + "-" + role}}
	g.Expect(p.c.Client().Patch(p.t.Context(), secret, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
}

// try names the repository that rights are tried on; empty for none.
func (p *plant) try(repository string) {
	p.t.Helper()
	named := "null"
	if repository != "" {
		named = strconv.Quote(repository)
	}
	patch := fmt.Appendf(nil, `{"spec":{"verification":{"repository":%s}}}`, named)
	NewWithT(p.t).Expect(p.c.Client().Patch(p.t.Context(), p.edge, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
}

// comesTo waits until the rights were tried under the spec of now, with a verdict for which Ready has a status.
func (p *plant) comesTo(reason string, ready metav1.ConditionStatus) metav1.Condition {
	p.t.Helper()
	var found metav1.Condition
	NewWithT(p.t).Eventually(func(g Gomega) {
		g.Expect(p.c.Client().Get(p.t.Context(), client.ObjectKeyFromObject(p.edge), p.edge)).To(Succeed())
		verified := meta.FindStatusCondition(p.edge.Status.Conditions, edgev1.RegistryVerified)
		g.Expect(verified).NotTo(BeNil(), "%v", p.edge.Status.Conditions)
		g.Expect(verified.Reason).To(Equal(reason), verified.Message)
		g.Expect(verified.ObservedGeneration).To(Equal(p.edge.Generation))
		g.Expect(meta.IsStatusConditionPresentAndEqual(p.edge.Status.Conditions, edgev1.Ready, ready)).To(BeTrue(), "%v", p.edge.Status.Conditions)
		found = *verified
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return found
}

// published is one of the Secrets that are made: publish or pull.
func (p *plant) published(role string) *corev1.Secret {
	p.t.Helper()
	secret := &corev1.Secret{}
	NewWithT(p.t).Expect(p.c.Client().Get(p.t.Context(), client.ObjectKey{Namespace: p.edge.Name, Name: p.edge.Name + "-" + role}, secret)).To(Succeed())
	return secret
}

// described is what kubectl shows people of the EdgeRegistry.
func (p *plant) described() string {
	p.t.Helper()
	text, err := p.c.Kubectl(p.t.Context(), "describe", "edgereg", p.edge.Name)
	g := NewWithT(p.t)
	g.Expect(err).NotTo(HaveOccurred())
	for _, secret := range p.passwords {
		g.Expect(strings.Contains(text, secret)).To(BeFalse(), "a password is described")
	}
	p.t.Log(text)
	return text
}
