// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// claim is a name that an EdgeRegistry needs in its project.
type claim struct {
	kind schema.GroupVersionKind
	name string
	// field is where another EdgeRegistry would choose another name.
	field string
	// live is what the pass has read under that name, or nil.
	live client.Object
	// listed: the pass has looked for it, so that nil means that the name is free.
	listed bool
}

// claims are the six names that an EdgeRegistry writes, whatever happens. The anchors of its tokens
// pass over a name that is taken.
func (s *session) claims() []claim {
	var claims []claim
	for _, l := range s.logins() {
		role := objects.RoleValue(l.Role)
		binding := bindingName(s.Edge, l.Role)
		claims = append(claims,
			claim{corev1.SchemeGroupVersion.WithKind("ServiceAccount"), l.Account,
				"spec.openshift." + role + ".serviceAccountName", s.accounts[l.Account], true},
			claim{rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), binding, "metadata.name", s.bindings[binding], true},
			claim{corev1.SchemeGroupVersion.WithKind("Secret"), l.Secret,
				"spec.secrets." + objects.SecretKind(l.Role) + ".name", s.Secrets[l.Secret], false},
		)
	}
	return claims
}

// claimNames makes sure that no name is another's before anything is written in the project. Only
// what this pass has not read yet is asked for, so that it costs nothing once all is there.
func (s *session) claimNames(ctx context.Context) error {
	if s.isNew {
		s.Free.Insert(s.publisher.Secret, s.puller.Secret)
		return nil
	}
	for _, c := range s.claims() {
		holder := c.live
		if objects.IsNil(holder) && c.listed {
			continue
		}
		if objects.IsNil(holder) {
			// Its metadata alone: it may be another's Secret.
			stranger := &metav1.PartialObjectMetadata{}
			stranger.SetGroupVersionKind(c.kind)
			err := s.Get(ctx, client.ObjectKey{Namespace: s.Home.Namespace, Name: c.name}, stranger)
			if apierrors.IsNotFound(err) {
				if c.kind.Kind == "Secret" {
					s.Free.Insert(c.name)
				}
				continue
			}
			if err != nil {
				return fmt.Errorf("look for %s %q in project %q: %w", c.kind.Kind, c.name, s.Home.Namespace, err)
			}
			holder = stranger
		}
		if !objects.OwnedBy(holder, s.Edge.UID) {
			return c.takenBy(holder, s.Home.Namespace)
		}
	}
	return nil
}

// takenBy is the refusal to touch an object of another's, and to write anything beside it.
func (c claim) takenBy(holder client.Object, project string) error {
	object := fmt.Sprintf("%s %q in project %q", c.kind.Kind, c.name, project)
	for _, owner := range holder.GetOwnerReferences() {
		if owner.Kind == "EdgeRegistry" {
			return pass.Stalled(edgev1.ReasonConflict,
				"%s belongs to EdgeRegistry %q and not to this one, for which nothing is written: make another EdgeRegistry with another %s", object, owner.Name, c.field)
		}
	}
	return pass.Stalled(edgev1.ReasonConflict,
		"%s exists and does not belong to this EdgeRegistry, for which nothing is written: delete it, or make another EdgeRegistry with another %s", object, c.field)
}
