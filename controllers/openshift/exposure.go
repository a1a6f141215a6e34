// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// +kubebuilder:rbac:groups=imageregistry.operator.openshift.io,resources=configs,resourceNames=cluster,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=route.openshift.io,namespace=openshift-image-registry,resources=routes,verbs=get;list;watch

// expose gives the image registry a Route and finds the host that a router admitted for it. In the registry's Config it writes only
// spec.defaultRoute, because the registry's own operator and its admin write there too.
func (s *session) expose(ctx context.Context) (pass.Done, error) {
	config, err := s.configs.Get(ctx, "", imageRegistryConfig)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return pass.Done{}, s.whyNoConfig(ctx, err)
	}
	if err != nil {
		return pass.Done{}, fmt.Errorf("read the image registry Config %q: %w", imageRegistryConfig, err)
	}
	s.config = config
	if err := checkManaged(config); err != nil {
		return pass.Done{}, err
	}
	if err := s.declareRoute(ctx); err != nil {
		return pass.Done{}, err
	}
	name := s.Edge.Spec.OpenShift.Route
	route, err := s.readRoute(ctx, name)
	if apierrors.IsNotFound(err) {
		if apiAbsent(err) {
			return pass.Done{}, pass.Waiting(edgev1.ReasonRouteNotFound,
				"this cluster does not serve Routes (%s): check that its openshift-apiserver runs", routev1.GroupVersion)
		}
		return pass.Done{}, routeAbsent(config, name)
	}
	if err != nil {
		return pass.Done{}, fmt.Errorf("read Route %q in %q: %w", name, imageRegistryNamespace, err)
	}
	host, router, err := admittedHost(route)
	if err != nil {
		return pass.Done{}, err
	}
	s.route, s.router = route, router
	s.Registry = pass.Registry{
		Host: host, Repository: s.Home.Namespace, Inside: routerService(router), InsideName: "the router's service",
		Warnings: registryWarnings(config), State: registryState(config), Advice: advice, CARemedy: caRemedy,
		Dialect: dialect, ReadOnly: config.Spec.ReadOnly,
	}
	s.remembered().host = host
	s.Edge.Status.Host = host
	s.Edge.Status.ImagePrefix = s.Registry.ImagePrefix()
	return pass.DoneBecause(edgev1.ReasonExposed, "Route %s is admitted at %s", name, host), nil
}

// whyNoConfig says why the registry's Config cannot be read. The API server answers "forbidden" even if it does not serve the API at
// all, so this asks for the API itself.
func (s *session) whyNoConfig(ctx context.Context, refusal error) error {
	_, err := s.API.Get().AbsPath("/apis/" + imageregistryv1.GroupVersion.String()).DoRaw(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return pass.Stalled(edgev1.ReasonAPIAbsent,
			"this cluster does not serve %s: on OpenShift enable the capability ImageRegistry; another Kubernetes has no such registry, and spec.openshift has no use there",
			imageregistryv1.GroupVersion)
	case apierrors.IsNotFound(refusal):
		return pass.Stalled(edgev1.ReasonRegistryAbsent,
			"this cluster has no image registry Config %q: enable the capability ImageRegistry, or use a cluster that has the registry", imageRegistryConfig)
	default:
		return fmt.Errorf("read the image registry Config %q: %w", imageRegistryConfig, refusal)
	}
}

// readRoute returns the Route of a name. What follows from a new host cannot be undone. So if the informer has another host than
// this process found before, the API server has to confirm it.
func (s *session) readRoute(ctx context.Context, name string) (*routev1.Route, error) {
	route, err := s.routes.Get(ctx, imageRegistryNamespace, name)
	if err != nil {
		return route, err
	}
	if host, _, err := admittedHost(route); err == nil && host == s.remembered().host {
		return route, nil
	}
	live := &routev1.Route{}
	return live, s.Get(ctx, client.ObjectKeyFromObject(route), live)
}

func checkManaged(config *imageregistryv1.Config) error {
	switch config.Spec.ManagementState {
	case operatorv1.Removed:
		return pass.Stalled(edgev1.ReasonRegistryRemoved,
			"registry Config %q is Removed: set spec.managementState to Managed and give it storage", config.Name)
	case operatorv1.Unmanaged:
		return pass.Stalled(edgev1.ReasonRegistryUnmanaged,
			"registry Config %q is Unmanaged, so that its operator ignores defaultRoute: set spec.managementState to Managed", config.Name)
	case operatorv1.Managed:
	default:
		// Its operator acts on these three alone, and the field may be absent or Force
		// (openshift/cluster-image-registry-operator, pkg/operator/controller.go).
		return pass.Stalled(edgev1.ReasonRegistryUnmanaged,
			"registry Config %q has the spec.managementState %q, on which its operator does nothing: set it to Managed", config.Name, config.Spec.ManagementState)
	}
	return nil
}

// declareRoute makes sure that the registry's Config declares the Route, which the registry's operator then makes.
func (s *session) declareRoute(ctx context.Context) error {
	name, config := s.Edge.Spec.OpenShift.Route, s.config
	if name != defaultRoute {
		for _, declared := range config.Spec.Routes {
			if declared.Name == name {
				return nil
			}
		}
		return pass.Stalled(edgev1.ReasonRouteNotDeclared,
			"registry Config %q declares no Route %q: add it to spec.routes there, or leave spec.openshift.route out to use %s", config.Name, name, defaultRoute)
	}
	if config.Spec.DefaultRoute {
		s.contest.settle(config)
		return nil
	}
	return s.switchOn(ctx)
}

// apiAbsent reports whether an API is not served at all, and not only lacks the object: then the answer is no Status of Kubernetes.
func apiAbsent(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// routeAbsent says why there is no Route. The registry's operator makes Routes last, so an earlier problem, such as missing storage,
// shows as a missing Route.
func routeAbsent(config *imageregistryv1.Config, name string) error {
	const storageNotConfigured = "StorageNotConfigured"
	for _, condition := range config.Status.Conditions {
		if condition.Reason == storageNotConfigured {
			return pass.Stalled(edgev1.ReasonStorageNotConfigured,
				"registry Config %q has no storage, and gets no Route before it has: set spec.storage", config.Name)
		}
	}
	if degraded := registryCondition(config, operatorv1.OperatorStatusTypeDegraded); degraded != nil && degraded.Status == operatorv1.ConditionTrue {
		return pass.Waiting(edgev1.ReasonRouteNotFound,
			"Route %q is not there yet; registry Config %q is Degraded: %s", name, config.Name, conditionText(degraded.Reason, degraded.Message))
	}
	return pass.Waiting(edgev1.ReasonRouteNotFound, "Route %q is not there yet: the image registry operator makes it", name)
}

// admittedHost returns the host at which a router serves the Route, and that router; the default router if there are several.
//
// Only status.ingress counts, since a host in spec is only a request. Nobody removes the entry of a router that is gone or no longer
// selects the Route, so an entry for another host than the Route's is stale. A host that any router knows as another Route's is not
// the registry's, even if a second router admits it: tokens would go to the owner of that Route.
func admittedHost(route *routev1.Route) (host, router string, err error) {
	refusal := ""
	claimed := sets.New[string]()
	var admitted []routev1.RouteIngress
	for _, ingress := range route.Status.Ingress {
		for _, condition := range ingress.Conditions {
			switch {
			case condition.Type != routev1.RouteAdmitted:
			case condition.Status == corev1.ConditionTrue && ingress.Host != "" && !isStale(route, ingress):
				admitted = append(admitted, ingress)
			case condition.Status == corev1.ConditionTrue && ingress.Host != "":
				refusal = fmt.Sprintf("router %q admitted it at %s, and its host is %s by now", ingress.RouterName, ingress.Host, route.Spec.Host)
			case condition.Status == corev1.ConditionFalse:
				refusal = fmt.Sprintf("router %q refuses it: %s", ingress.RouterName, conditionText(condition.Reason, condition.Message))
				if condition.Reason == hostClaimed {
					claimed.Insert(strings.ToLower(ingress.Host))
				}
			case condition.Status == corev1.ConditionTrue:
				refusal = fmt.Sprintf("router %q admitted it at no host", ingress.RouterName)
			default:
				refusal = cmp.Or(refusal, fmt.Sprintf("router %q has not decided about it", ingress.RouterName))
			}
		}
	}
	slices.SortStableFunc(admitted, func(a, b routev1.RouteIngress) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	for _, ingress := range admitted {
		if !claimed.Has(strings.ToLower(ingress.Host)) {
			return ingress.Host, ingress.RouterName, nil
		}
		refusal += "; another router admits that host, which may lead to another's Route"
	}
	if refusal == "" {
		refusal = "no router has picked it up: check that an IngressController selects the namespace " + imageRegistryNamespace
	}
	return "", "", pass.Waiting(edgev1.ReasonRouteNotAdmitted, "Route %q is not admitted: %s", route.Name, refusal)
}

// conditionText is the reason and the message of a condition, in one line.
func conditionText(reason, message string) string {
	said := slices.DeleteFunc([]string{reason, text.OneLine(message)}, func(word string) bool { return word == "" })
	return cmp.Or(strings.Join(said, ": "), "it gives no reason")
}

// isStale reports an entry for another host than the Route has now. A Route without a host gets one from its router, so none is stale.
func isStale(route *routev1.Route, ingress routev1.RouteIngress) bool {
	return route.Spec.Host != "" && !strings.EqualFold(route.Spec.Host, ingress.Host)
}

// rankOf sorts the default router first, whose CA is published.
func rankOf(ingress routev1.RouteIngress) int {
	if ingress.RouterName == defaultRouter {
		return 0
	}
	return 1
}

// hostClaimed is the reason of a router that knows the host as another Route's
// (openshift/router, pkg/router/controller/unique_host.go).
const hostClaimed = "HostAlreadyClaimed"

// routerService is the address at which a router takes connections inside the cluster: the ingress
// operator makes this ClusterIP Service for each IngressController
// (openshift/cluster-ingress-operator, pkg/operator/controller/names.go).
func routerService(router string) string {
	return "router-internal-" + router + ".openshift-ingress.svc:443"
}
