// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// ensure makes an object as desired, and leaves what others set on it. live is what
// this pass read, or nil. It never touches an object that does not carry the EdgeRegistry's UID:
// an absent one is created, so that a rival's wins; a present one is changed only as it was read.
func (r *EdgeRegistryReconciler) ensure(ctx context.Context, s *scope, desired, live client.Object) (client.Object, error) {
	own(desired, s.edge)
	if isNil(live) {
		if err := r.mayRepair(s, desired, nil); err != nil {
			return nil, err
		}
		created, err := r.create(ctx, s, desired)
		if err == nil {
			r.noteRepair(s, desired, "was gone and is made again")
		}
		if !apierrors.IsAlreadyExists(err) {
			return created, err
		}
		if wasLookedFor(desired) {
			// It was made since, and the next pass sees whose it is. To write over a Secret of consumers would be to
			// have minted twice for one cause: another operator, whose lease was lost meanwhile, had the same.
			return nil, apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, desired.GetName(), err)
		}
		live = desired.DeepCopyObject().(client.Object)
		if err := r.Get(ctx, client.ObjectKeyFromObject(desired), live); err != nil {
			return nil, fmt.Errorf("read %s: %w", r.describe(desired), err)
		}
	}
	if !ownedBy(live, s.edge.UID) {
		return nil, notOurs(r.describe(desired))
	}
	if !live.GetDeletionTimestamp().IsZero() {
		return nil, beingDeleted(r.describe(live), live)
	}
	if mustReplace(desired, live) {
		if err := r.mayRepair(s, desired, live); err != nil {
			return nil, err
		}
		if err := r.rehearse(ctx, desired); err != nil {
			return nil, err
		}
		if err := r.remove(ctx, s, live); err != nil {
			return nil, err
		}
		r.noteRepair(s, desired, "was altered in a way that cannot be mended in place, and is made anew")
		return r.create(ctx, s, desired)
	}
	return r.repair(ctx, s, desired, live)
}

// wasLookedFor reports a kind of which a pass knows what is there: it lists the role bindings, and asks for the Secrets in
// the project by name.
func wasLookedFor(object client.Object) bool {
	switch object.(type) {
	case *rbacv1.RoleBinding:
		return true
	case *corev1.Secret:
		return !isCopy(object)
	default:
		return false
	}
}

func (r *EdgeRegistryReconciler) create(ctx context.Context, s *scope, desired client.Object) (client.Object, error) {
	if err := r.stillWanted(ctx, s); err != nil {
		return nil, err
	}
	object := desired.DeepCopyObject().(client.Object)
	if err := r.Create(ctx, object, client.FieldOwner(fieldManager)); err != nil {
		return nil, fmt.Errorf("create %s: %w", r.describe(desired), err)
	}
	s.wrote = true
	return object, nil
}

// rehearse asks the API server whether it would take an object in place of one that is in use, so
// that the old one is not given up for one that is refused.
func (r *EdgeRegistryReconciler) rehearse(ctx context.Context, desired client.Object) error {
	err := r.Create(ctx, desired.DeepCopyObject().(client.Object), client.DryRunAll, client.FieldOwner(fieldManager))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("replace %s: %w", r.describe(desired), err)
	}
	return nil
}

// repair applies what is desired where the live object differs from it.
func (r *EdgeRegistryReconciler) repair(ctx context.Context, s *scope, desired, live client.Object) (client.Object, error) {
	want, err := r.toApply(desired)
	if err != nil {
		return nil, err
	}
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil, fmt.Errorf("read the fields of %s: %w", r.describe(live), err)
	}
	surplus := ownsMore(live, want)
	if contains(have, want.Object) && !surplus {
		return live, nil
	}
	if err := r.mayRepair(s, desired, live); err != nil {
		return nil, err
	}
	if surplus {
		if err := r.upgradeOwnership(ctx, live); err != nil {
			return nil, err
		}
	}
	want.SetUID(live.GetUID())
	want.SetResourceVersion(live.GetResourceVersion())
	err = r.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", r.describe(desired), err)
	}
	s.wrote = true
	r.noteRepair(s, desired, "was altered and is repaired")
	object := desired.DeepCopyObject().(client.Object)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(want.Object, object); err != nil {
		return nil, fmt.Errorf("read the answer about %s: %w", r.describe(desired), err)
	}
	return object, nil
}

// upgradeOwnership makes the fields that the operator set by creating an object its applied
// fields, so that an apply that leaves one out removes it.
func (r *EdgeRegistryReconciler) upgradeOwnership(ctx context.Context, live client.Object) error {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(fieldManager), fieldManager)
	if err != nil || len(patch) == 0 {
		return err
	}
	if err := r.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("take over the fields of %s: %w", r.describe(live), err)
	}
	return nil
}

// remove deletes exactly the object that was read.
func (r *EdgeRegistryReconciler) remove(ctx context.Context, s *scope, live client.Object) error {
	err := r.Delete(ctx, live, client.Preconditions{UID: ptr.To(live.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s: %w", r.describe(live), err)
	}
	s.wrote = true
	return nil
}

func (r *EdgeRegistryReconciler) toApply(desired client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(desired)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", r.describe(desired), err)
	}
	object := &unstructured.Unstructured{Object: content}
	gvk, err := r.GroupVersionKindFor(desired)
	if err != nil {
		return nil, err
	}
	object.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "status")
	return object, nil
}

// describe names an object for a message.
func (r *EdgeRegistryReconciler) describe(object client.Object) string {
	kind := "object"
	if gvk, err := r.GroupVersionKindFor(object); err == nil {
		kind = gvk.Kind
	}
	where := "project"
	if isCopy(object) {
		where = "namespace"
	}
	return fmt.Sprintf("%s %q in %s %q", kind, object.GetName(), where, object.GetNamespace())
}

// noteRepair tells and counts that an object had to be mended, unless the pass has a cause of its own to write.
func (r *EdgeRegistryReconciler) noteRepair(s *scope, object client.Object, what string) {
	if s.repairs() {
		name := r.describe(object)
		s.notes = append(s.notes, note{edgev1.ReasonRepaired, name + " " + what, object})
		r.countRepair(s, name)
	}
}

// own adds the labels and the owner reference by which the operator knows its objects, and to a
// Secret what keeps Argo CD off it, where the spec says nothing else. The owner is cluster-scoped,
// so garbage collection removes them with it from any namespace.
func own(object client.Object, edge *edgev1.EdgeRegistry) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range ownLabels(edge) {
		labels[key] = value
	}
	object.SetLabels(labels)
	if _, isSecret := object.(*corev1.Secret); isSecret {
		annotations := maps.Clone(argoCDAnnotations)
		maps.Copy(annotations, object.GetAnnotations())
		object.SetAnnotations(annotations)
	}
	object.SetOwnerReferences([]metav1.OwnerReference{
		*metav1.NewControllerRef(edge, edgev1.GroupVersion.WithKind("EdgeRegistry")),
	})
}

func ownedBy(object client.Object, uid types.UID) bool {
	for _, owner := range object.GetOwnerReferences() {
		if owner.UID == uid {
			return true
		}
	}
	return false
}

// notOurs is the refusal to touch an object of another's that is where one of ours has to be.
func notOurs(object string) error {
	return stalled(edgev1.ReasonConflict,
		"%s exists and does not belong to this EdgeRegistry: delete it, or make another EdgeRegistry with other names", object)
}

func beingDeleted(name string, object client.Object) error {
	return waiting(edgev1.ReasonConflict, "%s is being deleted, held by the finalizers %v: it is made again when it is gone",
		name, object.GetFinalizers())
}

// mustReplace reports a difference that the API server refuses to change in place.
func mustReplace(desired, live client.Object) bool {
	switch want := desired.(type) {
	case *rbacv1.RoleBinding:
		return live.(*rbacv1.RoleBinding).RoleRef != want.RoleRef
	case *corev1.Secret:
		have := live.(*corev1.Secret)
		return have.Type != want.Type || (ptr.Deref(have.Immutable, false) && !holds(have.Data, want.Data))
	default:
		return false
	}
}

func holds(have, want map[string][]byte) bool {
	for key, value := range want {
		if held, ok := have[key]; !ok || !bytes.Equal(held, value) {
			return false
		}
	}
	return true
}

func isNil(object client.Object) bool {
	return object == nil || reflect.ValueOf(object).IsNil()
}
