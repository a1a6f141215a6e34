// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what tenants write: what resembles what the operator writes, under the names that it uses.

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// disguise gives an object the marks of an EdgeRegistry's, mostly of the one that the act is about.
func (e *estate) disguise(object client.Object) {
	edge := e.prey
	if e.chance(25) {
		edge = e.anyEdge()
	}
	if e.chance(70) {
		labels := objects.OwnLabels(edge)
		labels[objects.KindLabel] = pick(e, objects.KindPublish, objects.KindPull, objects.KindBound, objects.KindPull+objects.KindCopy)
		labels[objects.RoleLabel] = pick(e, "publisher", "puller")
		object.SetLabels(labels)
	}
	if e.chance(60) {
		object.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: edgev1.GroupVersion.String(), Kind: "EdgeRegistry", Name: edge.Name, UID: edge.UID, Controller: ptr.To(e.chance(80)),
		}})
	}
	if e.chance(30) {
		annotations := maps.Clone(object.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		now := e.o.clock.Now()
		annotations[objects.GenerationAnnotation] = pick(e, "1", "7", "999999999", "x")
		annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(now.Add(pick(e, -time.Hour, 10000*time.Hour)))
		annotations[objects.CopiedToAnnotation] = e.in("bystander") + "," + e.in("copies")
		annotations[objects.RotationAnnotation] = stamp()
		annotations[objects.LifetimeAnnotation] = "1h0m0s"
		object.SetAnnotations(annotations)
	}
	object.SetFinalizers(nil)
	if e.chance(15) {
		object.SetFinalizers([]string{"example.test/hold"})
	}
}

func (e *estate) fillSecret(_ *actor, object client.Object) {
	secret := object.(*corev1.Secret)
	e.disguise(secret)
	if secret.Type == "" {
		secret.Type = pick(e, corev1.SecretTypeOpaque, corev1.SecretTypeDockerConfigJson, corev1.SecretTypeOpaque)
	}
	switch e.random.IntN(6) {
	case 0:
		secret.Data = map[string][]byte{"x": bytes.Repeat([]byte("x"), 300_000)}
	case 1:
		if secret.Data[handoff.KeyHost] != nil {
			secret.Data[handoff.KeyHost] = []byte("elsewhere.test")
		}
	case 2, 3:
		theirs := slices.DeleteFunc(slices.Clone(e.pocket), func(p pocketed) bool { return p.namespace != secret.Namespace })
		if len(theirs) == 0 {
			break
		}
		// What the operator would publish, with another token.
		token := pick(e, theirs...)
		login := handoff.Login{User: token.account + "." + token.namespace, Token: token.token}
		input := handoff.Input{Provider: "openshift", Host: openShift.Host(), Project: token.namespace, CA: openShift.Router.CA().PEM(), Publisher: login, Puller: login}
		data, err := handoff.PublishData(input)
		if !strings.HasSuffix(secret.Name, "-publish") {
			data, err = handoff.PullData(input)
		}
		if err == nil {
			secret.Data = data
		}
	}
	if secret.Type == corev1.SecretTypeDockerConfigJson && secret.Data[corev1.DockerConfigJsonKey] == nil {
		secret.Data = map[string][]byte{corev1.DockerConfigJsonKey: []byte("{}"), "x": secret.Data["x"]}
	}
}

func (e *estate) fillAccount(_ *actor, object client.Object) { e.disguise(object) }

// fillBinding invites the operator, for whomever, or hands a role to an account.
func (e *estate) fillBinding(a *actor, object client.Object) {
	binding := object.(*rbacv1.RoleBinding)
	e.disguise(binding)
	operator := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}
	if binding.RoleRef.Name == "" {
		role := pick(e, consent.Project.ClusterRole, consent.Secrets.ClusterRole, consent.Secrets.ClusterRole, "admin", "edit")
		binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	}
	binding.Subjects = []rbacv1.Subject{operator}
	if e.chance(30) {
		edge := e.anyEdge()
		binding.Subjects = []rbacv1.Subject{pick(e,
			rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: binding.Namespace, Name: edge.Spec.OpenShift.Puller.ServiceAccountName},
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: e.in(a.name)})}
	}
	if e.chance(70) {
		var names []string
		for range 1 + e.random.IntN(3) {
			names = append(names, e.anyEdge().Name)
		}
		metav1.SetMetaDataAnnotation(&binding.ObjectMeta, edgev1.ForAnnotation, strings.Join(names, ","))
	} else if e.chance(50) {
		delete(binding.Annotations, edgev1.ForAnnotation)
	}
}

// fillRoute wants the registry's host, and says that a router gave it.
func (e *estate) fillRoute(_ *actor, object client.Object) {
	route := object.(*routev1.Route)
	e.disguise(route)
	if route.UID == "" {
		route.Spec = routev1.RouteSpec{Host: pick(e, openShift.Host(), openShift.Host(), "other.example.com"), To: routev1.RouteTargetReference{Kind: "Service", Name: "x"}}
	}
	route.Status.Ingress = []routev1.RouteIngress{{
		Host: route.Spec.Host, RouterName: pick(e, "default", "sharded"),
		Conditions: []routev1.RouteIngressCondition{{Type: routev1.RouteAdmitted, Status: corev1.ConditionTrue}},
	}}
}

// fillProject says of a project that it was requested for an EdgeRegistry.
func (e *estate) fillProject(_ *actor, object client.Object) {
	edge := e.anyEdge()
	mark := fmt.Sprintf("[EdgeRegistry %s %s]", edge.Name, edge.UID)
	if request, is := object.(*projectv1.ProjectRequest); is {
		request.Description = mark
		return
	}
	object.SetAnnotations(map[string]string{descriptionAnnotation: mark})
}

// fillEdge points an EdgeRegistry at what is others'.
func (e *estate) fillEdge(_ *actor, object client.Object) {
	edge := object.(*edgev1.EdgeRegistry)
	theirs := func() string {
		return e.in(pick(e, "quiet", "held", "shared", "adopted", "target-1", "target-2", "copies", "own", "bystander", "routes"))
	}
	if edge.UID == "" {
		edge.Spec.OpenShift = &edgev1.OpenShiftSpec{}
		if e.chance(50) {
			edge.Spec.OpenShift.Project = edgev1.ProjectSpec{Name: theirs(), Policy: pick(e, edgev1.ProjectRequest, edgev1.ProjectAdopt)}
		}
		if e.chance(70) {
			distinctNames(strings.TrimPrefix(edge.Name, e.prefix+"-"))(edge)
		}
		if e.chance(20) {
			edge.Spec.Secrets.Pull.Name = pass.PullSecretName(pick(e, e.victims()...))
		}
		if e.chance(15) {
			edge.Spec.OpenShift.Puller.ClusterRole = pick(e, "edit", "system:image-builder")
		}
	}
	targets := func() (all []string) {
		for range e.random.IntN(4) {
			all = append(all, theirs())
		}
		for i := range e.random.IntN(5) {
			all = append(all, e.in(fmt.Sprintf("absent-%d", i)))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	if edge.UID == "" || e.chance(60) {
		edge.Spec.Secrets.Publish.CopyTo, edge.Spec.Secrets.Pull.CopyTo = targets(), targets()
	}
	edge.Spec.DeletionPolicy = pick(e, edgev1.DeletionRetain, edgev1.DeletionDelete)
	edge.Spec.Suspend = e.chance(5)
	if e.chance(50) {
		namespace := pick(e, e.namespaces(context.Background())...)
		edge.Annotations = map[string]string{
			edgev1.AcceptAnnotation: namespace.Name + "/" + string(namespace.UID), edgev1.RotateAnnotation: pick(e, "", stamp()),
			edgev1.ReconcileAnnotation: stamp(),
		}
	}
	edge.Finalizers = slices.DeleteFunc(edge.Finalizers, func(name string) bool { return strings.HasPrefix(name, "example.test/") })
}

// eachOf calls a function for each object of a list.
func eachOf(list client.ObjectList, do func(client.Object)) {
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		do(item.(client.Object))
		return nil
	})
}
