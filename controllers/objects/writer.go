// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// CleanupFinalizer keeps a deleted EdgeRegistry until the operator has undone what garbage collection cannot. It is set on every
// EdgeRegistry before anything is done for it.
const CleanupFinalizer = "edge.open-horizon.io/cleanup"

// Writer creates, changes and deletes the objects of EdgeRegistries.
type Writer struct{ client.Client }

// Ensure makes an object as desired, and keeps what others set on it. live is the object that this pass read, or nil. It never
// touches an object without the EdgeRegistry's UID: an absent object is created, which fails if the name is taken meanwhile; a
// present one is changed only at the version that was read.
func (w *Writer) Ensure(ctx context.Context, s *pass.Scope, desired, live client.Object) (client.Object, error) {
	own(s, desired)
	e := ensuring{Writer: w, scope: s, desired: desired, name: w.Describe(s, desired), wanted: digestOf(desired)}
	made, err := e.ensure(ctx, live)
	if err == nil {
		Settle(s, e.name, e.wanted)
	}
	return made, err
}

// own adds labels and owner reference of the EdgeRegistry.
func own(s *pass.Scope, desired client.Object) {
	Own(desired, s.Edge, desired.GetNamespace() == s.Home.Namespace)
}

// IsAsDesired reports whether a live object is the EdgeRegistry's and needs no change. It sends nothing.
func (w *Writer) IsAsDesired(s *pass.Scope, desired, live client.Object) (bool, error) {
	if IsNil(live) || !OwnedBy(live, s.Edge.UID) || !live.GetDeletionTimestamp().IsZero() || mustReplace(desired, live) {
		return false, nil
	}
	own(s, desired)
	e := ensuring{Writer: w, scope: s, desired: desired, name: w.Describe(s, desired)}
	_, differs, surplus, err := e.compare(live)
	return !differs && !surplus, err
}

// ensuring is one object and its desired state.
type ensuring struct {
	*Writer
	scope   *pass.Scope
	desired client.Object
	name    string
	wanted  uint64
}

func (e *ensuring) ensure(ctx context.Context, live client.Object) (client.Object, error) {
	if IsNil(live) {
		if err := e.mayRepair(nil); err != nil {
			return nil, err
		}
		created, err := e.Create(ctx, e.scope, e.desired)
		if err == nil {
			e.noteRepair("was gone and is made again")
		}
		if !apierrors.IsAlreadyExists(err) {
			return created, err
		}
		if wasLookedFor(e.desired) {
			// It was created meanwhile, and the next pass sees whose it is. Overwriting a published Secret would mean two
			// mints for one cause: another operator, which lost its lease meanwhile, had the same cause.
			return nil, apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, e.desired.GetName(), err)
		}
		live = e.desired.DeepCopyObject().(client.Object)
		if err := e.Get(ctx, client.ObjectKeyFromObject(e.desired), live); err != nil {
			return nil, fmt.Errorf("read %s: %w", e.name, err)
		}
	}
	if !OwnedBy(live, e.scope.Edge.UID) {
		return nil, NotOurs(e.name)
	}
	if !live.GetDeletionTimestamp().IsZero() {
		return nil, BeingDeleted(e.name, live)
	}
	if mustReplace(e.desired, live) {
		return e.replace(ctx, live)
	}
	return e.repair(ctx, live)
}

// wasLookedFor reports whether a pass knows which objects of a kind exist: it lists the role bindings, and reads the Secrets in
// their home by name.
func wasLookedFor(object client.Object) bool {
	switch object.(type) {
	case *rbacv1.RoleBinding:
		return true
	case *corev1.Secret:
		return !IsCopy(object)
	default:
		return false
	}
}

// mayRepair returns an error if an object has used up its repairs. live is nil if the object is gone.
func (e *ensuring) mayRepair(live client.Object) error {
	if !IsRepair(e.scope, e.name, e.wanted) {
		return nil
	}
	return Spent(e.scope, e.name, describeDrift(live))
}

// noteRepair reports and counts a repair.
func (e *ensuring) noteRepair(what string) {
	if IsRepair(e.scope, e.name, e.wanted) {
		e.scope.Note(edgev1.ReasonRepaired, e.name+" "+what, e.desired)
		CountRepair(e.scope, e.name)
	}
}

// Create creates an object, after a live read that the EdgeRegistry still exists.
func (w *Writer) Create(ctx context.Context, s *pass.Scope, desired client.Object) (client.Object, error) {
	if err := w.Confirm(ctx, s); err != nil {
		return nil, err
	}
	object := desired.DeepCopyObject().(client.Object)
	if err := w.Client.Create(ctx, object, client.FieldOwner(FieldManager)); err != nil {
		return nil, fmt.Errorf("create %s: %w", w.Describe(s, desired), err)
	}
	s.Wrote = true
	return object, nil
}

// Change is a JSON merge patch.
type Change map[string]any

// ChangeFrom returns the patch from one object to another.
func ChangeFrom(before, after client.Object) (Change, error) {
	patch, err := client.MergeFrom(before).Data(after)
	if err != nil {
		return nil, fmt.Errorf("compare what is wanted of %q now and before: %w", after.GetName(), err)
	}
	change := Change{}
	return change, json.Unmarshal(patch, &change)
}

// Amend makes an object as desired that is known to be, at a resource version, as it was desired before. It reads nothing, and
// sends only the change. What others set stays; what is no longer desired is removed.
func (w *Writer) Amend(ctx context.Context, s *pass.Scope, desired client.Object, version string, change Change) (client.Object, error) {
	own(s, desired)
	name := w.Describe(s, desired)
	metadata, _ := change["metadata"].(map[string]any)
	change, metadata = maps.Clone(change), maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["resourceVersion"], change["metadata"] = version, metadata
	patch, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	object := desired.DeepCopyObject().(client.Object)
	if err := w.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return nil, fmt.Errorf("change %s: %w", name, err)
	}
	s.Wrote = true
	Settle(s, name, digestOf(desired))
	return object, nil
}

// IsOther reports whether Amend failed because the object has changed, or because it cannot be changed in place.
func IsOther(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err)
}

// Confirm makes sure by a live read, once in a pass, that the EdgeRegistry exists and has the finalizer: the pass may be based on a
// stale version, or belong to an operator that was replaced. If the EdgeRegistry is deleted after that read, the owner of what is
// created is gone, and garbage collection deletes it.
func (w *Writer) Confirm(ctx context.Context, s *pass.Scope) error {
	s.Confirmed.Lock()
	defer s.Confirmed.Unlock()
	if s.Confirmed.Done {
		return nil
	}
	live := &edgev1.EdgeRegistry{}
	if err := w.Get(ctx, client.ObjectKeyFromObject(s.Edge), live); err != nil {
		return fmt.Errorf("read EdgeRegistry %q again before acting for it: %w", s.Edge.Name, err)
	}
	if live.UID != s.Edge.UID || !live.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(live, CleanupFinalizer) {
		return pass.Waiting(edgev1.ReasonPending, "EdgeRegistry %q was deleted or recreated meanwhile", s.Edge.Name)
	}
	s.Confirmed.Done = true
	return nil
}

// replace deletes an object that cannot be changed in place, and recreates it.
func (e *ensuring) replace(ctx context.Context, live client.Object) (client.Object, error) {
	if err := e.mayRepair(live); err != nil {
		return nil, err
	}
	if err := e.rehearse(ctx); err != nil {
		return nil, err
	}
	if err := e.Remove(ctx, e.scope, live); err != nil {
		return nil, err
	}
	e.noteRepair("was altered in a way that cannot be changed in place, and is recreated")
	return e.Create(ctx, e.scope, e.desired)
}

// rehearse checks by a dry run that the API server would accept the replacement, so that an object in use is not deleted for one
// that is refused.
func (e *ensuring) rehearse(ctx context.Context) error {
	err := e.Client.Create(ctx, e.desired.DeepCopyObject().(client.Object), client.DryRunAll, client.FieldOwner(FieldManager))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("replace %s: %w", e.name, err)
	}
	return nil
}

// repair applies the desired state if the live object differs from it.
func (e *ensuring) repair(ctx context.Context, live client.Object) (client.Object, error) {
	want, differs, surplus, err := e.compare(live)
	if err != nil {
		return nil, err
	}
	if !differs && !surplus {
		return live, nil
	}
	if err := e.mayRepair(live); err != nil {
		return nil, err
	}
	if surplus {
		if err := e.upgradeOwnership(ctx, live); err != nil {
			return nil, err
		}
	}
	want.SetUID(live.GetUID())
	want.SetResourceVersion(live.GetResourceVersion())
	err = e.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), client.FieldOwner(FieldManager), client.ForceOwnership)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", e.name, err)
	}
	e.scope.Wrote = true
	e.noteRepair("was altered and is repaired")
	object := e.desired.DeepCopyObject().(client.Object)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(want.Object, object); err != nil {
		return nil, fmt.Errorf("read the answer about %s: %w", e.name, err)
	}
	return object, nil
}

// compare returns what to apply, whether the live object differs from it, and whether the operator owns fields beyond it.
func (e *ensuring) compare(live client.Object) (want *unstructured.Unstructured, differs, surplus bool, err error) {
	want, err = e.toApply()
	if err != nil {
		return nil, false, false, err
	}
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil, false, false, fmt.Errorf("read the fields of %s: %w", e.name, err)
	}
	return want, !contains(have, want.Object), ownsMore(live, want), nil
}

// upgradeOwnership makes the fields that the operator set by creating an object its applied
// fields, so that an apply that leaves one out removes it.
func (e *ensuring) upgradeOwnership(ctx context.Context, live client.Object) error {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(FieldManager), FieldManager)
	if err != nil || len(patch) == 0 {
		return err
	}
	if err := e.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("take over the fields of %s: %w", e.name, err)
	}
	return nil
}

// Remove deletes exactly the object that was read.
func (w *Writer) Remove(ctx context.Context, s *pass.Scope, live client.Object) error {
	err := w.Delete(ctx, live, client.Preconditions{UID: ptr.To(live.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s: %w", w.Describe(s, live), err)
	}
	s.Wrote = true
	return nil
}

func (e *ensuring) toApply() (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(e.desired)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", e.name, err)
	}
	object := &unstructured.Unstructured{Object: content}
	gvk, err := e.GroupVersionKindFor(e.desired)
	if err != nil {
		return nil, err
	}
	object.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "status")
	return object, nil
}

// mustReplace reports whether the API server would refuse to change the object in place.
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

// IsNil reports whether there is no object, also if the interface holds a nil pointer.
func IsNil(object client.Object) bool {
	return object == nil || reflect.ValueOf(object).IsNil()
}
