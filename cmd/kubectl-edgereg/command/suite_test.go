// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/operator"
)

// factory is the EdgeRegistry that all tests share, and its project.
const factory = "factory"

// stops ends what world started, the latest first.
var stops []func()

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	for len(stops) > 0 {
		stops[len(stops)-1]()
		stops = stops[:len(stops)-1]
	}
	os.Exit(code)
}

// world is a control plane with the operator at work, an EdgeRegistry that is Ready, and users.
type world struct {
	*env.Env
	// users have a kubeconfig each.
	users map[string]string
}

// A user of the tests, by what it may do.
const (
	clusterAdmin = "cluster admin"
	editor       = "editor"
	viewer       = "viewer"
	// projectAdmin administers the project, and may read EdgeRegistries.
	projectAdmin = "project admin"
	// tenant administers the project, and knows nothing of EdgeRegistries.
	tenant = "tenant"
)

// newWorld starts it with the first test that asks for it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w, err := startWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var startWorld = sync.OnceValues(func() (*world, error) {
	ctx := context.Background()
	control, stop, err := operator.StartAll(ctx)
	stops = append(stops, stop)
	if err != nil {
		return nil, err
	}
	w := &world{Env: control, users: map[string]string{}}
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: factory}}
	edge.Spec.OpenShift = &edgev1.OpenShiftSpec{}
	if err := control.Client().Create(ctx, edge); err != nil {
		return nil, err
	}
	if _, err := control.Kubectl(ctx, "wait", "--for=condition=Ready", "edgeregistry/"+factory, "--timeout=2m"); err != nil {
		return nil, err
	}
	return w, w.makeUsers(ctx)
})

func (w *world) makeUsers(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "edgereg-users-")
	if err != nil {
		return err
	}
	stops = append(stops, func() { _ = os.RemoveAll(folder) })
	configs := map[string]*rest.Config{clusterAdmin: w.Admin}
	for user, roles := range map[string]struct{ everywhere, project string }{
		editor:       {everywhere: "edge-registry-editor"},
		viewer:       {everywhere: "edge-registry-viewer"},
		projectAdmin: {everywhere: "edge-registry-viewer", project: "admin"},
		tenant:       {project: "admin"},
	} {
		name := filepath.Base(user)
		if user == projectAdmin {
			name = "project-admin"
		}
		config, err := w.ServiceAccount(ctx, "users", name)
		if err != nil {
			return err
		}
		configs[user] = config
		subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "users", Name: name}}
		role := func(name string) rbacv1.RoleRef {
			return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
		}
		if roles.everywhere != "" {
			err = w.Client().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "user-" + name}, Subjects: subjects, RoleRef: role(roles.everywhere)})
		}
		if err == nil && roles.project != "" {
			err = w.Client().Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "user-" + name, Namespace: factory}, Subjects: subjects, RoleRef: role(roles.project),
			})
		}
		if err != nil {
			return err
		}
	}
	for user, config := range configs {
		w.users[user] = filepath.Join(folder, user)
		if err := w.Kubeconfig(config, w.users[user]); err != nil {
			return err
		}
	}
	return nil
}

// secret is what is published for a role.
func (w *world) secret(t *testing.T, name string) map[string][]byte {
	t.Helper()
	var secret corev1.Secret
	NewWithT(t).Expect(w.Client().Get(t.Context(), client.ObjectKey{Namespace: factory, Name: name}, &secret)).To(Succeed())
	return secret.Data
}

func (w *world) edge(t *testing.T) *edgev1.EdgeRegistry {
	t.Helper()
	edge := &edgev1.EdgeRegistry{}
	NewWithT(t).Expect(w.Client().Get(t.Context(), client.ObjectKey{Name: factory}, edge)).To(Succeed())
	return edge
}

// suspended suspends the shared EdgeRegistry while something runs.
func (w *world) suspended(t *testing.T, run func()) {
	t.Helper()
	set := func(suspend bool) {
		g := NewWithT(t)
		patch := client.RawPatch("application/merge-patch+json", []byte(map[bool]string{true: `{"spec":{"suspend":true}}`, false: `{"spec":{"suspend":false}}`}[suspend]))
		g.Expect(w.Client().Patch(context.Background(), w.edge(t), patch)).To(Succeed())
		g.Eventually(func() bool {
			edge := w.edge(t)
			return edge.Status.ObservedGeneration == edge.Generation && meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) != suspend
		}, time.Minute, 100*time.Millisecond).Should(BeTrue())
	}
	set(true)
	defer set(false)
	run()
}

// ran is what a command line did.
type ran struct {
	status   int
	out, err string
}

// plugin is one on a machine of Linux whose user is not root.
func plugin(out, err *bytes.Buffer) *Plugin {
	return &Plugin{
		Version: "v9.9.9", Out: out, Err: err, Getenv: func(string) string { return "" }, System: "linux",
		Now: time.Now, Poll: 50 * time.Millisecond,
	}
}

func runAs(t *testing.T, user string, args ...string) ran {
	t.Helper()
	var out, err bytes.Buffer
	status := plugin(&out, &err).Run(t.Context(), append(args, "--kubeconfig="+newWorld(t).users[user]))
	return ran{status, out.String(), err.String()}
}
