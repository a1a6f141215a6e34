// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// Own adds the labels and the owner reference by which the operator recognises its objects, and to a Secret the annotations for
// Argo CD, unless the spec sets others. The owner is cluster-scoped, so garbage collection deletes them with it in any namespace.
// blocks sets blockOwnerDeletion: not for objects on which somebody else could put a finalizer.
func Own(object client.Object, edge *edgev1.EdgeRegistry, blocks bool) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, OwnLabels(edge))
	object.SetLabels(labels)
	if _, isSecret := object.(*corev1.Secret); isSecret {
		annotations := maps.Clone(argoCDAnnotations)
		maps.Copy(annotations, object.GetAnnotations())
		object.SetAnnotations(annotations)
	}
	owner := metav1.NewControllerRef(edge, edgev1.GroupVersion.WithKind("EdgeRegistry"))
	owner.BlockOwnerDeletion = &blocks
	object.SetOwnerReferences([]metav1.OwnerReference{*owner})
}

// OwnedBy reports whether the EdgeRegistry of a UID owns an object.
func OwnedBy(object metav1.Object, uid types.UID) bool {
	for _, owner := range object.GetOwnerReferences() {
		if owner.UID == uid {
			return true
		}
	}
	return false
}

// MadeFor reports whether the operator made an object for the EdgeRegistry of a UID, also after garbage collection removed the
// owner reference.
func MadeFor(object metav1.Object, uid types.UID) bool {
	return OwnedBy(object, uid) || (uid != "" && object.GetLabels()[UIDLabel] == string(uid))
}

// IsCopy reports whether an object is a copy of a published Secret.
func IsCopy(object metav1.Object) bool {
	return strings.HasSuffix(object.GetLabels()[KindLabel], KindCopy)
}

// NotOurs returns the error for a name that is taken by an object of somebody else.
func NotOurs(object string) error {
	return pass.Stalled(edgev1.ReasonConflict,
		"%s exists and does not belong to this EdgeRegistry: delete it, or make another EdgeRegistry with other names", object)
}

// BeingDeleted returns the error for an object that is being deleted.
func BeingDeleted(name string, object metav1.Object) error {
	return pass.Waiting(edgev1.ReasonConflict, "%s is being deleted, held by the finalizers %v: it is made again when it is gone",
		name, object.GetFinalizers())
}

// Describe names an object for a message.
func (w *Writer) Describe(s *pass.Scope, object client.Object) string {
	kind := "object"
	if gvk, err := w.GroupVersionKindFor(object); err == nil {
		kind = gvk.Kind
	}
	where := "namespace"
	if object.GetNamespace() == s.Home.Namespace {
		where = s.Home.Noun
	}
	return fmt.Sprintf("%s %q in %s %q", kind, object.GetName(), where, object.GetNamespace())
}
