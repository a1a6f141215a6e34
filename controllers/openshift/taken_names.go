// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// requiredName is a name that an EdgeRegistry needs in its project.
type requiredName struct {
	kind schema.GroupVersionKind
	name string
	// field is the field by which another EdgeRegistry chooses another name.
	field string
	// live is the object of that name that the pass has read, or nil.
	live client.Object
	// listed: the pass has looked for it, so that nil means that the name is free.
	listed bool
}

// requiredNames are the six names that an EdgeRegistry always writes. Its bound Secrets are not among them: they skip a name that is
// taken.
func (s *session) requiredNames() []requiredName {
	var names []requiredName
	for _, l := range s.logins() {
		role := objects.RoleValue(l.Role)
		binding := bindingName(s.Edge, l.Role)
		names = append(names,
			requiredName{corev1.SchemeGroupVersion.WithKind("ServiceAccount"), l.Account,
				"spec.openshift." + role + ".serviceAccountName", s.accounts[l.Account], true},
			requiredName{rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), binding, "metadata.name", s.bindings[binding], true},
			requiredName{corev1.SchemeGroupVersion.WithKind("Secret"), l.Secret,
				"spec.secrets." + objects.SecretKind(l.Role) + ".name", s.Secrets[l.Secret], false},
		)
	}
	return names
}

// checkNames makes sure that others have taken none of the names, before anything is written in the project. It reports all taken
// names at once, so that a new EdgeRegistry can avoid them all. It reads only what this pass has not read yet.
func (s *session) checkNames(ctx context.Context) error {
	if s.isNew {
		s.Free.Insert(s.publisher.Secret, s.puller.Secret)
		return nil
	}
	taken := &takenNames{project: s.Home.Namespace}
	for _, c := range s.requiredNames() {
		holder := c.live
		if objects.IsNil(holder) && c.listed {
			continue
		}
		if objects.IsNil(holder) {
			// Only metadata: it may be somebody else's Secret.
			foreign := &metav1.PartialObjectMetadata{}
			foreign.SetGroupVersionKind(c.kind)
			err := s.Get(ctx, client.ObjectKey{Namespace: s.Home.Namespace, Name: c.name}, foreign)
			if apierrors.IsNotFound(err) {
				if c.kind.Kind == "Secret" {
					s.Free.Insert(c.name)
				}
				continue
			}
			if err != nil {
				return fmt.Errorf("look for %s %q in project %q: %w", c.kind.Kind, c.name, s.Home.Namespace, err)
			}
			holder = foreign
		}
		if !objects.OwnedBy(holder, s.Edge.UID) {
			taken.add(c, holder)
		}
	}
	return taken.refusal()
}

// sameAccounts says, as a clause of a message, which other EdgeRegistries in the project have the same service accounts; empty if
// none has, or if that cannot be read now.
func (s *session) sameAccounts(ctx context.Context) string {
	sharing, err := others(ctx, s.Edges, s.Edge, func(other *edgev1.EdgeRegistry) bool { return ProjectName(other) == s.Home.Namespace })
	if err != nil {
		return ""
	}
	taken, with := map[string]bool{}, []*edgev1.EdgeRegistry{}
	for _, other := range sharing {
		spec, found := other.Spec.OpenShift, false
		for _, l := range s.logins() {
			if l.Account == spec.Publisher.ServiceAccountName || l.Account == spec.Puller.ServiceAccountName {
				taken["spec.openshift."+objects.RoleValue(l.Role)+".serviceAccountName"], found = true, true
			}
		}
		if found {
			with = append(with, other)
		}
	}
	if len(with) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s %s the same accounts there: to share the project, make another EdgeRegistry with another %s",
		text.And(namesOf(with)), ifOne(with, "has", "have"), text.And(slices.Sorted(maps.Keys(taken))))
}

// takenNames are the names in a project that others have taken.
type takenNames struct {
	project string
	// by are the objects of each other EdgeRegistry, and unowned those that belong to none, as messages call them.
	by      map[string][]string
	unowned []string
	// fields are the fields by which another EdgeRegistry chooses other names.
	fields []string
}

func (t *takenNames) add(c requiredName, holder client.Object) {
	object := fmt.Sprintf("%s %q", c.kind.Kind, c.name)
	if !slices.Contains(t.fields, c.field) {
		t.fields = append(t.fields, c.field)
	}
	owned := false
	for _, owner := range holder.GetOwnerReferences() {
		if owner.Kind != "EdgeRegistry" {
			continue
		}
		if t.by == nil {
			t.by = map[string][]string{}
		}
		t.by[owner.Name] = append(t.by[owner.Name], object)
		owned = true
	}
	if !owned {
		t.unowned = append(t.unowned, object)
	}
}

// refusal reports the taken names; nil for none.
func (t *takenNames) refusal() error {
	if len(t.fields) == 0 {
		return nil
	}
	var parts []string
	for _, owner := range slices.Sorted(maps.Keys(t.by)) {
		parts = append(parts, fmt.Sprintf("%s %s to EdgeRegistry %q and not to this one", text.And(t.by[owner]), ifOne(t.by[owner], "belongs", "belong"), owner))
	}
	remedy := "make another EdgeRegistry with another " + text.And(t.fields)
	if len(t.unowned) > 0 {
		parts = append(parts, text.And(t.unowned)+ifOne(t.unowned, " exists and does", " exist and do")+" not belong to this EdgeRegistry")
		remedy = "delete " + text.And(t.unowned) + ", or " + remedy
	}
	return pass.Stalled(edgev1.ReasonConflict, "in project %q %s, for which nothing is written: %s", t.project, text.And(parts), remedy)
}

func ifOne[T any](all []T, one, more string) string {
	if len(all) == 1 {
		return one
	}
	return more
}
