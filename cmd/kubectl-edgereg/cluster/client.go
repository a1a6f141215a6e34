// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Cluster is an API server, as its caller sees it.
type Cluster struct{ client client.Client }

// Connect asks nothing yet: the few kinds that are read are known, so that no discovery is needed.
func Connect(config *rest.Config) (*Cluster, error) {
	scheme := runtime.NewScheme()
	if err := edgev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("know the kind EdgeRegistry: %w", err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("know the kind Secret: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{edgev1.GroupVersion, corev1.SchemeGroupVersion})
	mapper.AddSpecific(edgev1.GroupVersion.WithKind("EdgeRegistry"), edgev1.GroupVersion.WithResource("edgeregistries"),
		edgev1.GroupVersion.WithResource("edgeregistry"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Event"), meta.RESTScopeNamespace)
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &Cluster{client: c}, nil
}

// Edge reads one EdgeRegistry.
func (c *Cluster) Edge(ctx context.Context, name string) (*edgev1.EdgeRegistry, error) {
	edge := &edgev1.EdgeRegistry{}
	if err := c.client.Get(ctx, client.ObjectKey{Name: name}, edge); err != nil {
		return nil, explain(err, right{verb: "get", what: "the EdgeRegistry " + name, ask: askViewer})
	}
	return edge, nil
}

// Edges lists all EdgeRegistries by name.
func (c *Cluster) Edges(ctx context.Context) ([]edgev1.EdgeRegistry, error) {
	var list edgev1.EdgeRegistryList
	if err := c.client.List(ctx, &list); err != nil {
		return nil, explain(err, right{verb: "list", what: "EdgeRegistries", ask: askViewer, instead: "give the name of one that you may get"})
	}
	slices.SortFunc(list.Items, func(a, b edgev1.EdgeRegistry) int { return cmp.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// Warnings are the latest warning events about an EdgeRegistry, at most that many, the latest first. Events about what is in no namespace
// are in the namespace default.
func (c *Cluster) Warnings(ctx context.Context, edge *edgev1.EdgeRegistry, most int) ([]corev1.Event, error) {
	var list corev1.EventList
	err := c.client.List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingFields{
		"involvedObject.uid": string(edge.UID), "type": corev1.EventTypeWarning,
	})
	if err != nil {
		return nil, explain(err, right{verb: "list", what: "events in the namespace default", ask: "have who administers that namespace bind the ClusterRole view to you there"})
	}
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return WhenOf(&b).Compare(WhenOf(&a).Time) })
	return list.Items[:min(most, len(list.Items))], nil
}

// WhenOf is when an event was last seen.
func WhenOf(event *corev1.Event) metav1.Time {
	switch {
	case event.Series != nil:
		return metav1.Time(event.Series.LastObservedTime)
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp
	case !event.EventTime.IsZero():
		return metav1.Time(event.EventTime)
	default:
		return event.CreationTimestamp
	}
}
