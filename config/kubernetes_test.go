// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// What config/ ships for clusters that are not OpenShift: overlays/kubernetes and what it consists of.

package config_test

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/net/http/httpproxy"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

const kubernetesOverlay = "overlays/kubernetes"

func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

// TestTheKubernetesOverlayIsConfigDefaultWithoutOpenShift says what differs, so that nothing else does.
func TestTheKubernetesOverlayIsConfigDefaultWithoutOpenShift(t *testing.T) {
	g := NewWithT(t)
	overlay := map[string]*unstructured.Unstructured{}
	for _, object := range rendered(t, kubernetesOverlay) {
		overlay[identity(object)] = object
	}
	var missing, different []string
	for _, object := range rendered(t, "default") {
		other, there := overlay[identity(object)]
		switch {
		case !there:
			missing = append(missing, identity(object))
		case jsonOf(t, other) != jsonOf(t, object):
			different = append(different, identity(object))
		}
		delete(overlay, identity(object))
	}
	g.Expect(overlay).To(BeEmpty(), "it has nothing of its own")
	g.Expect(missing).To(ConsistOf(
		"Role openshift-config-managed/edge-registry-manager-role", "Role openshift-image-registry/edge-registry-manager-role",
		"RoleBinding openshift-config-managed/edge-registry-manager-rolebinding",
		"RoleBinding openshift-image-registry/edge-registry-manager-rolebinding",
		"ClusterRole /edge-registry-project", "ClusterRole /edge-registry-inviter",
		"ConfigMap edge-registry-system/edge-registry-trusted-ca"))
	g.Expect(different).To(ConsistOf(
		"ClusterRole /edge-registry-manager-role", "ClusterRole /edge-registry-viewer",
		"Service edge-registry-system/edge-registry-controller-manager-metrics",
		"Deployment edge-registry-system/edge-registry-controller-manager"))
}

func jsonOf(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// TestTheKubernetesOverlayNamesNothingOfOpenShift leaves out the CustomResourceDefinition, which has spec.openshift.
func TestTheKubernetesOverlayNamesNothingOfOpenShift(t *testing.T) {
	g := NewWithT(t)
	for _, object := range rendered(t, kubernetesOverlay) {
		if object.GetKind() != "CustomResourceDefinition" {
			g.Expect(strings.ToLower(jsonOf(t, object.Object))).NotTo(ContainSubstring("openshift"), identity(object))
		}
	}
}

// startKubernetes starts a control plane that has nothing of OpenShift.
func startKubernetes(t *testing.T) *env.Env {
	t.Helper()
	plain, err := env.Start(t.Context(), env.Options{PlainKubernetes: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(plain.Stop()).To(Succeed()) })
	namespaces := &corev1.NamespaceList{}
	NewWithT(t).Expect(plain.Client().List(t.Context(), namespaces)).To(Succeed())
	for _, namespace := range namespaces.Items {
		NewWithT(t).Expect(namespace.Name).NotTo(HavePrefix("openshift"))
	}
	return plain
}

func TestTheKubernetesOverlayInstallsWithoutOpenShift(t *testing.T) {
	g := NewWithT(t)
	plain := startKubernetes(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(plain.Kubeconfig(plain.Admin, kubeconfig)).To(Succeed())
	kubectl := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), filepath.Join(plain.Assets(), "kubectl"), append(args, "--kubeconfig="+kubeconfig)...)
		output, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "%v: %s", args, output)
		return string(output)
	}
	objects := rendered(t, kubernetesOverlay)
	applied := kubectl("apply", "--server-side", "--validate=strict", "-k", kubernetesOverlay)
	g.Expect(strings.Count(applied, " serverside-applied")).To(Equal(len(objects)), applied)
	g.Expect(applied).NotTo(ContainSubstring("Warning"))
	again := kubectl("apply", "--dry-run=server", "-k", kubernetesOverlay)
	g.Expect(strings.Count(again, " (server dry run)")).To(Equal(len(objects)), "and without --server-side: %s", again)
	kubectl("apply", "--server-side", "-k", "network-policy")

	// What apply says has to be there.
	g.Expect(plain.Client().Get(t.Context(), client.ObjectKey{Namespace: ownNamespace, Name: "edge-registry-controller-manager"},
		&appsv1.Deployment{})).To(Succeed())
	anAdminInvites(t, plain)
	// So the operator can distinguish an absent API from one that it has no right on: the answer of the API itself is the
	// same for both.
	g.Expect(kubectl("auth", "can-i", "get", "/apis/imageregistry.operator.openshift.io/v1", "--as-group=system:authenticated",
		"--as=system:serviceaccount:"+ownNamespace+":edge-registry-controller-manager")).To(Equal("yes\n"))
	kubectl("delete", "--wait=false", "-k", kubernetesOverlay)
}

// anAdminInvites sends the invitation for copies as somebody who holds Kubernetes' own admin in a namespace, and nothing
// that the operator ships.
func anAdminInvites(t *testing.T, plain *env.Env) {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plant"}}
	g.Expect(plain.Client().Create(t.Context(), namespace)).To(Succeed())
	g.Expect(plain.Client().Create(t.Context(), bind("plant", "admin", rbacv1.Subject{
		APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "olive",
	}))).To(Succeed())
	config := rest.CopyConfig(plain.Admin)
	config.Impersonate = rest.ImpersonationConfig{UserName: "olive", Groups: []string{"system:authenticated"}}
	olive, err := client.New(config, client.Options{Scheme: plain.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() error {
		return olive.Create(t.Context(), invitation(t, "plant", "edge-registry-secrets"))
	}).WithTimeout(30 * time.Second).Should(Succeed())
}

var reference = regexp.MustCompile(`\$\(([A-Z_]+)\)`)

// environment is what the manager finds on a cluster, by the rules of Kubernetes: a reference to a variable that does not
// exist stays as it is.
func environment(container corev1.Container, secret map[string]string) map[string]string {
	values := map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			values[variable.Name] = reference.ReplaceAllStringFunc(variable.Value, func(text string) string {
				if value, known := values[reference.FindStringSubmatch(text)[1]]; known {
					return value
				}
				return text
			})
		} else if key := variable.ValueFrom.SecretKeyRef; key != nil && secret[key.Key] != "" {
			values[variable.Name] = secret[key.Key]
		}
	}
	return values
}

func TestAProxyIsForHostsOutsideOfTheClusterAlone(t *testing.T) {
	container := find(t, rendered(t, kubernetesOverlay), "Deployment", &appsv1.Deployment{}).Spec.Template.Spec.Containers[0]
	const proxy = "http://user:password@proxy.example.com:3128"
	all := map[string]bool{
		"https://10.96.0.1:443/api":                                     false,
		"https://registry.plant.svc:5000/v2/":                           false,
		"https://registry.plant.svc.cluster.local:5000/v2/":             false,
		"https://us.icr.io/v2/":                                         true,
		"https://registry.example.com:5000/v2/":                         true,
		"https://registry.corp.example.com/v2/":                         true,
		"https://exchange.example.com:8443/edge-exchange/v1/orgs/plant": true,
	}
	for name, tt := range map[string]struct {
		secret  map[string]string
		proxied map[string]bool
	}{
		"no Secret":      {nil, nil},
		"a proxy":        {map[string]string{"HTTPS_PROXY": proxy}, all},
		"and exceptions": {map[string]string{"HTTPS_PROXY": proxy, "NO_PROXY": "corp.example.com,icr.io"}, map[string]bool{"https://registry.example.com:5000/v2/": true, "https://exchange.example.com:8443/edge-exchange/v1/orgs/plant": true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			values := environment(container, tt.secret)
			choose := (&httpproxy.Config{HTTPSProxy: values["HTTPS_PROXY"], NoProxy: values["NO_PROXY"]}).ProxyFunc()
			for address := range all {
				target, err := url.Parse(address)
				g.Expect(err).NotTo(HaveOccurred())
				chosen, err := choose(target)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(chosen != nil).To(Equal(tt.proxied[address]), address)
			}
		})
	}
	for _, variable := range container.Env {
		if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
			NewWithT(t).Expect(variable.ValueFrom.SecretKeyRef.Optional).To(HaveValue(BeTrue()), "the pod starts without the Secret")
		}
	}
}

// TestTheNetworkPolicyAllowsWhatTheOperatorAsks lists, for each kind of cluster, whom the operator asks.
func TestTheNetworkPolicyAllowsWhatTheOperatorAsks(t *testing.T) {
	g := NewWithT(t)
	policy := find(t, rendered(t, "network-policy"), "NetworkPolicy", &networkingv1.NetworkPolicy{})
	anywhere := func(peer networkingv1.NetworkPolicyPeer) bool {
		return peer.PodSelector == nil && peer.NamespaceSelector == nil && peer.IPBlock == nil
	}
	allows := func(namespace string, pod map[string]string, protocol corev1.Protocol, port int32) bool {
		return slices.ContainsFunc(policy.Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
			toPort := slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool {
				return *p.Protocol == protocol && p.Port.IntVal == port
			})
			return toPort && (len(rule.To) == 0 || slices.ContainsFunc(rule.To, func(peer networkingv1.NetworkPolicyPeer) bool {
				g.Expect(anywhere(peer)).To(BeFalse(), "a peer without a selector")
				return peer.IPBlock == nil && selects(t, peer.NamespaceSelector, map[string]string{corev1.LabelMetadataName: namespace}) &&
					selects(t, peer.PodSelector, pod)
			}))
		})
	}
	coreDNS := map[string]string{"k8s-app": "kube-dns"}
	for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		g.Expect(allows("kube-system", coreDNS, protocol, 53)).To(BeTrue(), "the DNS of Kubernetes")
		g.Expect(allows("openshift-dns", nil, protocol, 5353)).To(BeTrue(), "the DNS of OpenShift")
		g.Expect(allows("kube-system", nil, protocol, 53)).To(BeFalse(), "another pod beside it")
		g.Expect(allows("plant", coreDNS, protocol, 53)).To(BeFalse(), "a DNS of a tenant's")
	}
	for _, port := range []int32{443, 6443, 8443, 5000, 3128} {
		g.Expect(allows("", nil, corev1.ProtocolTCP, port)).To(BeTrue(), "TCP %d", port)
	}
	for _, port := range []int32{22, 53, 80, 5432, 10250} {
		g.Expect(allows("plant", nil, corev1.ProtocolTCP, port)).To(BeFalse(), "TCP %d", port)
	}
}

// selects reports whether a selector of a rule selects labels; one that is not there selects all.
func selects(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s.Matches(labels.Set(set))
}
