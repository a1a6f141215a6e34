// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// Once a namespace that an EdgeRegistry uses is gone, anyone who may create namespaces can create another of its name and invite
// the operator there. So the UID of each namespace is on record, and another one of its name is served only after an author of
// the EdgeRegistry accepted it.

// InviteAgain says what to do once a namespace of others that is being deleted is gone.
const InviteAgain = "once it is gone, have its owner make it again and invite the operator"

// Home returns the namespace of the Secrets for an EdgeRegistry that names one, in which the operator works by invitation. username
// returns the operator's user name.
func Home(edge *edgev1.EdgeRegistry, username func(context.Context) (string, error)) pass.Home {
	namespace := edge.Spec.Secrets.Namespace
	return pass.Home{
		Namespace: namespace, Noun: "namespace", Terminating: edgev1.ReasonNamespaceTerminating, ByInvitation: true,
		AfterDeletion: InviteAgain,
		Invite: func() string {
			// The right to ask is given by the installation, and the answer is known by the time that something is refused.
			operator, _ := username(context.Background())
			return Find(nil, Secrets, namespace, operator, edge.Name).Command(edge.Name)
		},
	}
}

// SameNamespace returns an error unless a namespace is the one that was served before, if any was, or was accepted in its place.
// noun is what messages call it.
func SameNamespace(s *pass.Scope, noun, namespace string, uid types.UID) error {
	before, known := s.Record.Served[namespace]
	if !(known || s.Record.Lost) || before == uid || accepts(s.Edge, namespace, uid) {
		return nil
	}
	how := fmt.Sprintf("was deleted and made again since it was first used (UID %s then, %s now)", before, uid)
	if before == "" {
		how = fmt.Sprintf("cannot be distinguished from another of its name, since the operator's record was lost (its UID is %s)", uid)
	}
	return pass.Stalled(edgev1.ReasonNamespaceReplaced,
		"%s %q %s, and gets no token before that is confirmed: if its owner is the right one, run 'kubectl annotate edgeregistry %s --overwrite %s=%s/%s'",
		noun, namespace, how, s.Edge.Name, edgev1.AcceptAnnotation, namespace, uid)
}

// accepts reports whether an author of the EdgeRegistry accepted a namespace.
func accepts(edge *edgev1.EdgeRegistry, namespace string, uid types.UID) bool {
	return uid != "" && slices.Contains(listed(edge.Annotations[edgev1.AcceptAnnotation]), namespace+"/"+string(uid))
}

// Serve records that the operator works in a namespace.
func Serve(s *pass.Scope, namespace string, uid types.UID) {
	if before, known := s.Record.Served[namespace]; known && before != uid {
		s.Note(edgev1.ReasonNamespaceAccepted, fmt.Sprintf("namespace %q is served with UID %s from now on", namespace, uid), nil)
	}
	s.Record.Serve(namespace, uid)
}
