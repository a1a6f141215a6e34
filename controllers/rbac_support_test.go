// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the rights that the operator ships with: what the tests share.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

const (
	operatorAccount = "edge-registry-controller-manager"
	operatorUser    = apiserver.ServiceAccountPrefix + operatorNamespace + ":" + operatorAccount
	anyProject      = "*"
)

// grant is one rule that config/ ships for the operator, and where it holds.
type grant struct {
	kind, role string
	// namespace is empty for a rule that holds everywhere, and anyProject for the roles of invitations.
	namespace string
	rule      rbacv1.PolicyRule
}

func (g grant) String() string {
	where := g.namespace
	if where == "" {
		where = "the cluster"
	}
	return fmt.Sprintf("%s of %s in %s", strings.Join(g.rule.Resources, ","), g.role, where)
}

// shippedGrants reads the operator's rules from the manifests, as config/default renders them.
func shippedGrants(t *testing.T) []grant {
	t.Helper()
	g := NewWithT(t)
	rendered, err := control.Rendered()
	g.Expect(err).NotTo(HaveOccurred())
	rules := map[string][]rbacv1.PolicyRule{}
	for _, object := range rendered {
		if kind := object.GetKind(); kind == "Role" || kind == "ClusterRole" {
			role := &rbacv1.ClusterRole{}
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role)).To(Succeed())
			rules[kind+"/"+object.GetNamespace()+"/"+object.GetName()] = role.Rules
		}
	}
	var grants []grant
	add := func(kind, roleNamespace, role, namespace string) {
		found, known := rules[kind+"/"+roleNamespace+"/"+role]
		g.Expect(known).To(BeTrue(), "%s %s/%s is bound and not shipped", kind, roleNamespace, role)
		for _, rule := range found {
			grants = append(grants, grant{kind: kind, role: role, namespace: namespace, rule: rule})
		}
	}
	for _, object := range rendered {
		if !strings.HasSuffix(object.GetKind(), "RoleBinding") || !bindsOperator(g, object) {
			continue
		}
		kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
		role, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
		roleNamespace := ""
		if kind == "Role" {
			roleNamespace = object.GetNamespace()
		}
		add(kind, roleNamespace, role, object.GetNamespace())
	}
	add("ClusterRole", "", openshift.InvitationClusterRole, anyProject)
	add("ClusterRole", "", objects.CopyTargetClusterRole, anyProject)
	return grants
}

func bindsOperator(g *WithT, object *unstructured.Unstructured) bool {
	binding := &rbacv1.ClusterRoleBinding{}
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, binding)).To(Succeed())
	return slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == operatorNamespace && s.Name == operatorAccount
	})
}

// auditSince returns the requests that the API server allowed a user from a place in its log on.
func auditSince(t *testing.T, offset int64, user string) []auditv1.Event {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open(control.AuditLog)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	_, err = file.Seek(offset, io.SeekStart)
	g.Expect(err).NotTo(HaveOccurred())
	var events []auditv1.Event
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return events // The last line may be half written.
		}
		event := auditv1.Event{}
		g.Expect(json.Unmarshal(line, &event)).To(Succeed())
		if event.User.Username == user && event.ObjectRef != nil && event.Annotations["authorization.k8s.io/decision"] == "allow" {
			events = append(events, event)
		}
	}
}

func auditEnd(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(control.AuditLog)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return info.Size()
}

// allows reports that a request was allowed by this grant, by its verb for its resource. The API
// server says in the log which role it went by.
func (g grant) allows(event auditv1.Event, verb, resource, name string) bool {
	ref := event.ObjectRef
	have := ref.Resource
	if ref.Subresource != "" {
		have += "/" + ref.Subresource
	}
	return event.Verb == verb && have == resource && slices.Contains(g.rule.APIGroups, ref.APIGroup) &&
		(name == "" || ref.Name == name) &&
		(g.namespace == "" || g.namespace == anyProject || ref.Namespace == g.namespace) &&
		strings.Contains(event.Annotations["authorization.k8s.io/reason"], fmt.Sprintf(" of %s %q ", g.kind, g.role))
}

// unused lists what a grant allows that no request needed.
func (g grant) unused(events []auditv1.Event) []string {
	var idle []string
	names := g.rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range g.rule.Verbs {
		for _, resource := range g.rule.Resources {
			for _, name := range names {
				if !slices.ContainsFunc(events, func(e auditv1.Event) bool { return g.allows(e, verb, resource, name) }) {
					idle = append(idle, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", g, verb, resource, name)))
				}
			}
		}
	}
	return idle
}

// accountWith makes a service account with all of the operator's standing rights but one.
func accountWith(t *testing.T, namespace string, grants []grant, without int) *rest.Config {
	t.Helper()
	g := NewWithT(t)
	cfg, err := control.ServiceAccount(t.Context(), namespace, "operator")
	g.Expect(err).NotTo(HaveOccurred())
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "operator"}}
	for i, grant := range grants {
		if i == without || grant.namespace == anyProject {
			continue
		}
		name := fmt.Sprintf("%s-%d", namespace, i)
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{grant.rule}}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
		var binding client.Object = &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: ref, Subjects: subjects}
		if grant.namespace != "" {
			binding = &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: grant.namespace}, RoleRef: ref, Subjects: subjects}
		}
		for _, object := range []client.Object{role, binding} {
			g.Expect(admin.Create(t.Context(), object)).To(Succeed())
			t.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
		}
	}
	return cfg
}

// trial is a run of the operator as it is deployed, elected and with its metrics, that may lack rights.
type trial struct {
	clock   *clocktesting.FakePassiveClock
	wire    *wire
	elected <-chan struct{}
	metrics string

	mu      sync.Mutex
	refused []string
	fail    func(*http.Request) bool
}

// tryOperator runs an operator as whoever cfg says until the test ends. It does not wait for it to work.
func tryOperator(t *testing.T, cfg *rest.Config, mods ...func(*trial)) *trial {
	t.Helper()
	g := NewWithT(t)
	run := &trial{clock: clocktesting.NewFakePassiveClock(time.Now()), wire: &wire{}, metrics: freeAddress(t)}
	run.wire.setIntercept(run.intercept)
	for _, mod := range mods {
		mod(run)
	}
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(run.wire.wrap)
	mgr, err := NewManager(cfg, ctrl.Options{
		Metrics:                 secureMetrics(run.metrics),
		LeaderElection:          true,
		LeaderElectionID:        string(uuid.NewUUID()),
		LeaderElectionNamespace: operatorNamespace,
		// Long enough for a machine that is busy, and tried often, so that the first try is not the last.
		LeaseDuration: ptr.To(time.Minute), RenewDeadline: ptr.To(40 * time.Second), RetryPeriod: ptr.To(time.Second),
		LeaderElectionReleaseOnCancel: true,
		Controller:                    configForTests(),
		GracefulShutdownTimeout:       ptr.To(10 * time.Second),
	}, &EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: run.clock, DialContext: openShift.DialContext, MaxConcurrentReconciles: 4,
	})
	g.Expect(err).NotTo(HaveOccurred())
	run.elected = mgr.Elected()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(ctx); err != nil {
			_, _ = fmt.Fprintln(canary, err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return run
}

// intercept passes requests on, but for those that are to fail, and notes what the API server refuses as forbidden.
func (run *trial) intercept(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	run.mu.Lock()
	fail := run.fail
	run.mu.Unlock()
	if fail != nil && fail(r) {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
	}
	response, err := next.RoundTrip(r)
	if err == nil && response.StatusCode == http.StatusForbidden {
		run.mu.Lock()
		run.refused = append(run.refused, r.Method+" "+r.URL.Path)
		run.mu.Unlock()
	}
	return response, err
}

// failing chooses the requests that are answered with 503 from now on.
func (run *trial) failing(fail func(*http.Request) bool) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.fail = fail
}

func (run *trial) refusals() []string {
	run.mu.Lock()
	defer run.mu.Unlock()
	return slices.Clone(run.refused)
}

// scrape asks for the operator's metrics with a token, and returns the answer's status and body.
func (run *trial) scrape(t *testing.T, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+run.metrics+"/metrics", nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := insecureClient().Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_, _ = canary.Write(body)
	return answer.StatusCode, string(body)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// metricsReader is the token of an account that may read metrics.
func metricsReader(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	cfg, err := control.ServiceAccount(t.Context(), "metrics-readers", "reader")
	g.Expect(err).NotTo(HaveOccurred())
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "metrics-reader-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "metrics-readers", Name: "reader"}},
	}
	g.Expect(admin.Create(t.Context(), binding)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), binding) })
	return cfg.BearerToken
}

func secureMetrics(address string) metricsserver.Options {
	return metricsserver.Options{BindAddress: address, SecureServing: true, FilterProvider: apiserver.FilterScrapes}
}

// stir makes the operator look at an EdgeRegistry, by a new value of the annotation for that.
func stir(t *testing.T, edge client.Object) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`,
		edgev1.ReconcileAnnotation, uuid.NewUUID()))
	NewWithT(t).Expect(admin.Patch(t.Context(), edge, patch)).To(Succeed())
}
