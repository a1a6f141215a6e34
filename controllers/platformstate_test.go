// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about states of the platform: what the tests share.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// What tests of the platform's moods share: they set the platform, look at conditions, and put it back.

func registryConfig(t *testing.T) *imageregistryv1.Config {
	t.Helper()
	config := &imageregistryv1.Config{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Name: imageRegistryConfig}, config)).To(Succeed())
	return config
}

// changeConfig edits the registry's Config as its admin.
func changeConfig(t *testing.T, change func(*imageregistryv1.Config)) {
	t.Helper()
	config := registryConfig(t)
	before := config.DeepCopy()
	change(config)
	NewWithT(t).Expect(admin.Patch(t.Context(), config, client.MergeFrom(before), client.FieldOwner("registry-admin"))).To(Succeed())
}

// keepPlatform puts the registry's Config and what the platform's knobs say back when the test ends.
func keepPlatform(t *testing.T) {
	t.Helper()
	found := registryConfig(t)
	t.Cleanup(func() {
		openShift.Router.Admit()
		openShift.Router.RefuseConnections(false)
		openShift.Router.Hide(false)
		openShift.Router.Rename()
		openShift.Router.Unavailable(false)
		openShift.Registry.Fail(0)
		openShift.Registry.ReadOnly(false)
		openShift.ImageRegistry.SetStorage(true)
		openShift.ImageRegistry.SetAvailable(true)
		ctx := context.Background()
		g := NewWithT(t)
		g.Expect(openShift.ImageRegistry.CreateConfig(ctx)).To(Succeed())
		g.Eventually(func() error {
			config := &imageregistryv1.Config{}
			if err := admin.Get(ctx, client.ObjectKey{Name: imageRegistryConfig}, config); err != nil {
				return err
			}
			config.Spec, config.Annotations = found.Spec, found.Annotations
			return admin.Update(ctx, config)
		}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	})
}

// keepCertificate gives the router a fresh certificate of its own when the test ends.
func keepCertificate(t *testing.T) {
	t.Cleanup(func() { openShift.Router.RotateCA() })
}

// passesBegun is how many passes came to the project of the EdgeRegistry, which each reads once.
func (o *operator) passesBegun(edge *edgev1.EdgeRegistry) int {
	return len(o.wire.matching(func(request string) bool {
		return request == "GET /api/v1/namespaces/"+openshift.ProjectName(edge)
	}))
}

// writesFor are the writes for an EdgeRegistry but those of its status, and those to the Config of
// the registry. An EdgeRegistry of another test may still be going meanwhile.
func (o *operator) writesFor(edge *edgev1.EdgeRegistry) []string {
	var kept []string
	for _, request := range o.wire.writes() {
		if isConfigPatch(request) || strings.Contains(request, "/namespaces/"+openshift.ProjectName(edge)) {
			kept = append(kept, request)
		}
	}
	return kept
}

// expectHeldUp checks that an EdgeRegistry is held up by one condition, with a message of all the
// parts on one line, and that it says whether a person has to act.
func expectHeldUp(t *testing.T, edge *edgev1.EdgeRegistry, name, reason string, stalled bool, parts ...string) {
	t.Helper()
	present, absent := edgev1.Reconciling, edgev1.Stalled
	if stalled {
		present, absent = absent, present
	}
	NewWithT(t).Eventually(func(g Gomega) {
		c := condition(t, edge, name)
		_, _ = canary.Write([]byte(c.Message))
		g.Expect(c.Reason).To(Equal(reason), "%s: %s", c.Reason, c.Message)
		g.Expect(c.Status).NotTo(Equal(metav1.ConditionTrue))
		g.Expect(c.Message).NotTo(ContainSubstring("\n"))
		for _, part := range parts {
			g.Expect(c.Message).To(ContainSubstring(part))
		}
		conditions := edge.Status.Conditions
		g.Expect(meta.FindStatusCondition(conditions, edgev1.Ready)).To(And(
			HaveField("Status", c.Status), HaveField("Reason", reason), HaveField("Message", c.Message)))
		g.Expect(meta.FindStatusCondition(conditions, present)).To(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", reason), HaveField("Message", c.Message)))
		g.Expect(meta.FindStatusCondition(conditions, absent)).To(BeNil())
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// projectState is what the operator has in a project, each object by its version.
func projectState(t *testing.T, edge *edgev1.EdgeRegistry) map[string]string {
	t.Helper()
	g := NewWithT(t)
	state := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"ServiceAccount": &corev1.ServiceAccountList{},
		"RoleBinding":    &rbacv1.RoleBindingList{},
		"Secret":         &corev1.SecretList{},
	} {
		g.Expect(admin.List(t.Context(), list, client.InNamespace(openshift.ProjectName(edge)))).To(Succeed())
		items, err := meta.ExtractList(list)
		g.Expect(err).NotTo(HaveOccurred())
		for _, item := range items {
			m := accessor(item)
			state[kind+" "+m.GetName()] = m.GetResourceVersion()
		}
	}
	return state
}

func expectNoProject(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	err := admin.Get(t.Context(), client.ObjectKey{Name: openshift.ProjectName(edge)}, &corev1.Namespace{})
	NewWithT(t).Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the project was made: %v", err)
}

// handshake connects to a host as a node would that trusts roots and nothing else.
func handshake(ctx context.Context, host string, roots []byte) error {
	return handshakeAt(ctx, time.Now, host, roots)
}

// handshakeAt is handshake by another clock.
func handshakeAt(ctx context.Context, now func() time.Time, host string, roots []byte) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	raw, err := openShift.DialContext(ctx, "tcp", host+":443")
	if err != nil {
		return err
	}
	defer raw.Close()
	return tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12, Time: now}).HandshakeContext(ctx)
}

// caOf returns the CA that both Secrets carry.
func caOf(t *testing.T, edge *edgev1.EdgeRegistry) []byte {
	t.Helper()
	publish, pull := secretOf(t, edge, pass.PublishSecretName(edge)), secretOf(t, edge, pass.PullSecretName(edge))
	NewWithT(t).Expect(publish.Data[handoff.KeyCA]).To(Equal(pull.Data[handoff.KeyCA]))
	return pull.Data[handoff.KeyCA]
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// detour leads the operator's connections to the registry elsewhere while it is set.
type detour struct {
	mu   sync.Mutex
	dial dialFunc
}

func (d *detour) set(dial dialFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dial = dial
}

// DialContext is for the operator.
func (d *detour) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	dial := d.dial
	d.mu.Unlock()
	if dial == nil {
		dial = openShift.DialContext
	}
	return dial(ctx, network, address)
}

func appsHost(name string) string {
	_, domain, _ := strings.Cut(openShift.Host(), ".")
	return name + "." + domain
}
