// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about verify.go: what is said of a registry that fails.

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// insteadOfTheRouter serves connections to the registry's host with a configuration of TLS.
func insteadOfTheRouter(t *testing.T, config *tls.Config, handler http.HandlerFunc) dialFunc {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
}

// refusingRegistry presents the router's certificate, and accepts no token.
func refusingRegistry(t *testing.T) dialFunc {
	t.Helper()
	leaf := openShift.Router.CA().Leaf(appsHost("*"))
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{leaf}}
	return insteadOfTheRouter(t, config, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		if r.URL.Path == "/v2/" {
			w.Header().Set("Www-Authenticate", `Bearer realm="https://`+r.Host+`/openshift/token"`)
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
}

// changingRegistry presents the router's certificate to the first of two connections and another to
// the second: in each pass it has changed between the look at the route and the trial of the tokens.
func changingRegistry(t *testing.T) dialFunc {
	t.Helper()
	known, other := openShift.Router.CA().Leaf(appsHost("*")), platform.NewCA("stranger").Leaf(appsHost("*"))
	var connections atomic.Int64
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if connections.Add(1)%2 == 1 {
			return &known, nil
		}
		return &other, nil
	}}
	return insteadOfTheRouter(t, config, http.NotFound)
}

func failingDial(err error) dialFunc {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

// imagesRole makes a ClusterRole that allows verbs on the images of a project.
func imagesRole(t *testing.T, verbs ...string) *rbacv1.ClusterRole {
	t.Helper()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "images-"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"image.openshift.io"}, Resources: []string{"imagestreams/layers"}, Verbs: verbs}},
	}
	createForTest(t, role)
	return role
}

// allow changes what a ClusterRole of imagesRole allows, and waits until that counts for an account.
func allow(t *testing.T, role *rbacv1.ClusterRole, edge *edgev1.EdgeRegistry, account string, verbs ...string) {
	t.Helper()
	g := NewWithT(t)
	edit(t, role, func(r *rbacv1.ClusterRole) { r.Rules[0].Verbs = verbs })
	for _, verb := range []string{"get", "update"} {
		g.Eventually(func() (bool, error) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:" + openshift.ProjectName(edge) + ":" + account,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: openshift.ProjectName(edge), Verb: verb, Group: "image.openshift.io", Resource: "imagestreams", Subresource: "layers",
				},
			}}
			err := admin.Create(t.Context(), review)
			return review.Status.Allowed, err
		}).WithTimeout(soon).WithPolling(often).Should(Equal(slices.Contains(verbs, verb)))
	}
}

// failure is a way in which a verification fails, of which a person may have to mend the cause.
type failure struct {
	name        string
	cause, cure func()
	reason      string
	stalled     bool
	message     []string
}

// probeFailures are one or more for each reason of a failed verification.
func probeFailures(t *testing.T, way *detour) []failure {
	t.Helper()
	straight := func() { way.set(nil) }
	astray := func(dial dialFunc) func() { return func() { way.set(dial) } }
	unavailable := func(yes bool) func() { return func() { openShift.Router.Unavailable(yes) } }
	fail := func(status int) func() { return func() { openShift.Registry.Fail(status) } }
	readOnly := func(yes bool) func() { return func() { openShift.Registry.ReadOnly(yes) } }
	unknown := failingDial(&net.DNSError{Err: "no such host", Name: openShift.Host(), IsNotFound: true})
	refused := failingDial(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
	return []failure{
		{"DNS does not know the host", astray(unknown), straight, edgev1.ReasonRegistryUnresolvable, false, []string{"no such host"}},
		{"the host takes no connection", astray(refused), straight, edgev1.ReasonRegistryUnreachable, false, []string{"connection refused"}},
		{"the certificate changes meanwhile", astray(changingRegistry(t)), straight, edgev1.ReasonRegistryUntrusted, false,
			[]string{"the certificate of the route and the published CA do not match"}},
		{"the router has no backend", unavailable(true), unavailable(false), edgev1.ReasonRegistryUnavailable, false,
			[]string{"answered 503 Service Unavailable", `registry Config "cluster"`}},
		{"the registry fails", fail(http.StatusServiceUnavailable), fail(0), edgev1.ReasonRegistryUnavailable, false,
			[]string{"answered 503 Service Unavailable", "UNAVAILABLE"}},
		{"the registry is read-only against its Config", readOnly(true), readOnly(false), edgev1.ReasonRegistryUnavailable, false,
			[]string{"refuses pushes as read-only"}},
		{"something else answers", fail(http.StatusTeapot), fail(0), edgev1.ReasonRegistryUnexpected, false,
			[]string{"418", "check that the route leads to the image registry"}},
		{"the registry takes no token", astray(refusingRegistry(t)), straight, edgev1.ReasonCredentialRefused, false,
			[]string{"the token is refused", "log in", "but its issuer accepts", "look at the registry"}},
	}
}

// denials are probeFailures of which the cause is what a role allows.
func denials(t *testing.T, edge *edgev1.EdgeRegistry, publisher, puller *rbacv1.ClusterRole) []failure {
	t.Helper()
	toPublisher := func(verbs ...string) func() { return func() { allow(t, publisher, edge, "edge-publisher", verbs...) } }
	toPuller := func(verbs ...string) func() { return func() { allow(t, puller, edge, "edge-puller", verbs...) } }
	return []failure{
		{"the publisher may not pull", toPublisher("update"), toPublisher("get", "update"), edgev1.ReasonPullDenied, false, []string{"edge-publisher may not pull"}},
		{"the publisher may not push", toPublisher("get"), toPublisher("get", "update"), edgev1.ReasonPushDenied, false, []string{"edge-publisher may not push"}},
		{"the puller may not pull", toPuller("list"), toPuller("get"), edgev1.ReasonPullDenied, false, []string{"edge-puller may not pull"}},
		{"the puller may push", toPuller("get", "update"), toPuller("get"), edgev1.ReasonPullerCanPush, true, []string{"edge-puller may push"}},
	}
}

// TestAFailedVerificationWithdrawsNothing holds that whatever a trial of the tokens finds, the objects
// in the project stay as they are, to the byte: their versions do not change.
func TestAFailedVerificationWithdrawsNothing(t *testing.T) {
	way := &detour{}
	o := startOperator(t, impatient, func(o *operator, _ *rest.Config) { o.EdgeRegistryReconciler.DialContext = way.DialContext })
	keepPlatform(t)
	publisher, puller := imagesRole(t, "get", "update"), imagesRole(t, "get")
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.ClusterRole, e.Spec.OpenShift.Puller.ClusterRole = publisher.Name, puller.Name
	})))
	o.pass(t, edge)
	before, wrote, minted := projectState(t, edge), len(o.writesFor(edge)), canary.count()
	for _, tt := range append(probeFailures(t, way), denials(t, edge, publisher, puller)...) {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			t.Cleanup(tt.cure)
			tt.cause()
			o.advance(31 * time.Minute)
			poke(t, edge)
			expectHeldUp(t, edge, edgev1.RegistryVerified, tt.reason, tt.stalled, append(tt.message, openShift.Host())...)
			g.Expect(edge.Status.Credentials).To(HaveLen(2))
			g.Expect(edge.Status.Secrets).To(HaveLen(2))
			tt.cure()
			poke(t, edge)
			awaitReady(t, edge)
			g.Expect(projectState(t, edge)).To(Equal(before))
			g.Expect(o.writesFor(edge)[wrote:]).To(BeEmpty())
			g.Expect(canary.count()).To(Equal(minted))
		})
	}
}

func TestAFailedVerificationEndsByItself(t *testing.T) {
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	openShift.Registry.Fail(http.StatusServiceUnavailable)
	o.advance(31 * time.Minute)
	poke(t, edge)
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false, "503")
	openShift.Registry.Fail(0)
	// Nobody asks for a pass.
	awaitReady(t, edge)
}
