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

// Own adds the labels and the owner reference by which the operator knows its objects, and to a
// Secret what keeps Argo CD off it, where the spec says nothing else. The owner is cluster-scoped,
// so garbage collection removes them with it from any namespace. One with blocks holds up a deletion of the EdgeRegistry in
// the foreground: not for objects where somebody else could hold it up with a finalizer.
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

// OwnedBy reports an object that the EdgeRegistry of a UID owns.
func OwnedBy(object metav1.Object, uid types.UID) bool {
	for _, owner := range object.GetOwnerReferences() {
		if owner.UID == uid {
			return true
		}
	}
	return false
}

// MadeFor reports whether the operator made an object for the EdgeRegistry of a UID, also after
// garbage collection took the owner off it.
func MadeFor(object metav1.Object, uid types.UID) bool {
	return OwnedBy(object, uid) || (uid != "" && object.GetLabels()[UIDLabel] == string(uid))
}

// IsCopy reports a copy of a published Secret.
func IsCopy(object metav1.Object) bool {
	return strings.HasSuffix(object.GetLabels()[KindLabel], KindCopy)
}

// NotOurs is the refusal to touch an object of another's that is where one of ours has to be.
func NotOurs(object string) error {
	return pass.Stalled(edgev1.ReasonConflict,
		"%s exists and does not belong to this EdgeRegistry: delete it, or make another EdgeRegistry with other names", object)
}

// BeingDeleted waits for an object that is on its way out.
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
