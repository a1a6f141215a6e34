// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about APIs that are absent, down or restarted, across all steps.

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	operatorv1 "github.com/openshift/api/operator/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

// removeAPI simulates a cluster without an API, until the test ends at the latest.
func removeAPI(t *testing.T, crd string) {
	t.Helper()
	t.Cleanup(func() {
		g := NewWithT(t)
		g.Expect(control.InstallCRDs(context.Background())).To(Succeed())
		g.Expect(openShift.ImageRegistry.CreateConfig(context.Background())).To(Succeed())
	})
	NewWithT(t).Expect(control.RemoveCRD(t.Context(), crd)).To(Succeed())
}

func installAPIs(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(control.InstallCRDs(t.Context())).To(Succeed())
	g.Expect(openShift.ImageRegistry.CreateConfig(t.Context())).To(Succeed())
}

// awaitReadyWhenInformersAsk allows for the wait of client-go's informers after several failures.
func awaitReadyWhenInformersAsk(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	NewWithT(t).Eventually(func() metav1.ConditionStatus { return condition(t, edge, edgev1.Ready).Status }).
		WithTimeout(3 * soon).WithPolling(often).Should(Equal(metav1.ConditionTrue))
	awaitReady(t, edge)
}

func TestTheOperatorStartsAndStaysUpWhereAnAPIIsAbsent(t *testing.T) {
	for _, tt := range []struct {
		name    string
		crd     string
		reason  string
		stalled bool
		message string
	}{
		{"no image registry", "configs.imageregistry.operator.openshift.io", edgev1.ReasonAPIAbsent, true, "on OpenShift enable the capability ImageRegistry"},
		{"no Routes", "routes.route.openshift.io", edgev1.ReasonRouteNotFound, false, "this cluster does not serve Routes (route.openshift.io/v1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			removeAPI(t, tt.crd)
			o := startOperator(t)
			edge := apply(t, newEdge())
			expectHeldUp(t, edge, edgev1.RegistryExposed, tt.reason, tt.stalled, tt.message)
			expectNoProject(t, edge)
			for _, request := range o.writesFor(edge) {
				g.Expect(isConfigPatch(request)).To(BeTrue(), request)
			}
			installAPIs(t)
			awaitReadyWhenInformersAsk(t, edge)

			// The same under an operator that has its informers up.
			before, minted := projectState(t, edge), canary.count()
			g.Expect(control.RemoveCRD(t.Context(), tt.crd)).To(Succeed())
			// The informer may take a minute to ask again: what it holds must not count meanwhile.
			poke(t, edge)
			expectHeldUp(t, edge, edgev1.RegistryExposed, tt.reason, tt.stalled, tt.message)
			installAPIs(t)
			awaitReadyWhenInformersAsk(t, edge)
			g.Expect(projectState(t, edge)).To(Equal(before))
			g.Expect(canary.count()).To(Equal(minted))
		})
	}
}

func bindingOf(edge *edgev1.EdgeRegistry) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{
		Namespace: openshift.ProjectName(edge), Name: bindingName(edge, edgev1.TokenPublisher),
	}}
}

func awaitBinding(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	NewWithT(t).Eventually(func() error {
		binding := bindingOf(edge)
		return admin.Get(t.Context(), client.ObjectKeyFromObject(binding), binding)
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func TestARestartOfTheAPIServerIsSurvivedInSilence(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before, wrote, minted := projectState(t, edge), len(o.writesFor(edge)), canary.count()
	g.Expect(control.StopAPIServer(t.Context())).To(Succeed())
	var came atomic.Int64
	project := "/api/v1/namespaces/" + openshift.ProjectName(edge)
	o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && r.URL.Path == project && response.StatusCode == http.StatusOK {
			came.Add(1)
		}
		return response, err
	})
	g.Expect(control.StartAPIServer(t.Context())).To(Succeed())
	// Nobody asks for this pass: the watches, recreated, do.
	g.Eventually(came.Load).WithTimeout(2 * soon).WithPolling(often).Should(BeNumerically(">", 0))
	awaitReady(t, edge)
	o.pass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(o.writesFor(edge)[wrote:]).To(BeEmpty())
	g.Expect(canary.count()).To(Equal(minted))

	g.Expect(admin.Delete(t.Context(), bindingOf(edge))).To(Succeed())
	awaitBinding(t, edge)
	awaitReady(t, edge)
	setManagement(operatorv1.Removed)(t)
	awaitReason(t, edge, edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved)
	setManagement(operatorv1.Managed)(t)
	awaitReady(t, edge)
	// The whole way works again, the project API included.
	awaitReady(t, apply(t, newEdge()))
}

func TestAnAPIThatIsDownIsUnknownAndNotFalse(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before, minted := projectState(t, edge), canary.count()
	project := "/api/v1/namespaces/" + openshift.ProjectName(edge)
	o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodGet && r.URL.Path == project {
			return plainAnswer(r, http.StatusServiceUnavailable, "the server is currently unable to handle the request"), nil
		}
		return next.RoundTrip(r)
	})
	poke(t, edge)
	expectHeldUp(t, edge, edgev1.ProjectReady, edgev1.ReasonAPIUnavailable, false, "unable to handle the request")
	g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(projectState(t, edge)).To(Equal(before))
	o.wire.setIntercept(nil)
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(canary.count()).To(Equal(minted))
}

// plainAnswer is an answer of the API server without a Status.
func plainAnswer(r *http.Request, status int, text string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r,
	}
}

// watchCutter ends the watches of one kind of object, and holds new ones up until it lets them go.
type watchCutter struct {
	suffix string
	status int // of the answer to the first watch after the cut; 0 lets it through

	mu       sync.Mutex
	bodies   []io.Closer
	held     chan struct{}
	versions []string // the resource versions that were asked for since the cut
	waiting  int
}

func (c *watchCutter) intercept(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if r.URL.Query().Get("watch") != "true" || !strings.HasSuffix(r.URL.Path, c.suffix) {
		return next.RoundTrip(r)
	}
	c.mu.Lock()
	held, first := c.held, len(c.versions) == 0
	if held != nil {
		c.versions = append(c.versions, r.URL.Query().Get("resourceVersion"))
		c.waiting++
	}
	c.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if first && c.status != 0 {
			return plainAnswer(r, c.status, "too old resource version"), nil
		}
	}
	response, err := next.RoundTrip(r)
	if err != nil || held != nil {
		return response, err
	}
	reader, writer := io.Pipe()
	source := response.Body
	go func() {
		_, err := io.Copy(writer, source)
		_ = writer.CloseWithError(err)
	}()
	response.Body = struct {
		io.Reader
		io.Closer
	}{reader, source}
	c.mu.Lock()
	c.bodies = append(c.bodies, writer)
	c.mu.Unlock()
	return response, err
}

func (c *watchCutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = make(chan struct{})
	for _, body := range c.bodies {
		_ = body.Close()
	}
}

func (c *watchCutter) open() { close(c.held) }

func (c *watchCutter) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.versions...)
}

func TestDriftDuringABrokenWatchIsHealed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
	}{
		{"a watch that ended before its time", 0},
		{"a watch that is refused when it is made again", http.StatusGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			cutter := &watchCutter{suffix: "/rolebindings", status: tt.status}
			o := startOperator(t, func(o *operator, _ *rest.Config) { o.wire.intercept = cutter.intercept })
			edge := awaitReady(t, apply(t, newEdge()))
			o.pass(t, edge)
			cutter.cut()
			g.Eventually(cutter.asked).WithTimeout(soon).WithPolling(often).ShouldNot(BeEmpty())
			g.Expect(cutter.asked()[0]).To(BeEmpty(), "the watch goes on where it was")
			begun := o.passesBegun(edge)
			g.Expect(admin.Delete(t.Context(), bindingOf(edge))).To(Succeed())
			g.Expect(o.passesBegun(edge)).To(Equal(begun))
			cutter.open()
			awaitBinding(t, edge)
			awaitReady(t, edge)
		})
	}
}

func TestAnInformerWhoseWatchIsDownIsNotBelieved(t *testing.T) {
	g := NewWithT(t)
	cutter := &watchCutter{suffix: "/routes"}
	var down atomic.Bool
	o := startOperator(t, func(o *operator, _ *rest.Config) {
		o.wire.intercept = func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if down.Load() && strings.HasPrefix(r.URL.Path, "/apis/route.openshift.io/") {
				return plainAnswer(r, http.StatusServiceUnavailable, "the server is currently unable to handle the request"), nil
			}
			return cutter.intercept(r, next)
		}
	})
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before := projectState(t, edge)
	down.Store(true)
	cutter.cut()
	cutter.open()
	expectHeldUp(t, edge, edgev1.RegistryExposed, edgev1.ReasonAPIUnavailable, false, `read Route "default-route"`)
	g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(projectState(t, edge)).To(Equal(before))
	down.Store(false)
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
}

func TestBetweenTwoWatchesTheAPIServerIsAsked(t *testing.T) {
	g := NewWithT(t)
	cutter := &watchCutter{suffix: "/routes"}
	o := startOperator(t, func(o *operator, _ *rest.Config) { o.wire.intercept = cutter.intercept })
	edge := awaitReady(t, apply(t, newEdge()))
	liveReads := func() int {
		o.pass(t, edge)
		return len(o.wire.matching(func(request string) bool {
			return strings.HasPrefix(request, "GET /apis/route.openshift.io/") && strings.HasSuffix(request, "/"+defaultRoute)
		}))
	}
	settled := liveReads()
	g.Expect(liveReads()).To(Equal(settled), "the informer is not used")
	cutter.cut()
	g.Eventually(cutter.asked).WithTimeout(soon).WithPolling(often).ShouldNot(BeEmpty())
	g.Expect(liveReads()).To(BeNumerically(">", settled))
	cutter.open()
	g.Eventually(func() int {
		before := liveReads()
		return liveReads() - before
	}).WithTimeout(soon).WithPolling(often).Should(BeZero())
}
