// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// revokeTokens deletes every Secret in the project that a token of this EdgeRegistry is bound to or kept in. It does not wait for
// garbage collection, which deletes nothing if the EdgeRegistry is deleted with --cascade=orphan.
func (s *session) revokeTokens(ctx context.Context) error {
	state, err := s.readProjectState(ctx)
	if err != nil || state == nil {
		return err
	}
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	// All Secrets, so that one is found that lost its labels or its owner. Only metadata, so that no value of others is read.
	if err := s.List(ctx, secrets, client.InNamespace(s.Home.Namespace)); err != nil {
		return s.leaveToCollector(state, err)
	}
	revoked := 0
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if !objects.MadeFor(secret, s.Edge.UID) && s.onRecord(secret) == nil {
			continue
		}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := s.Delete(ctx, secret, client.Preconditions{UID: ptr.To(secret.UID)})
		switch {
		case err == nil:
			revoked++
		case apierrors.IsNotFound(err):
			// It went by itself.
		default:
			// After a conflict the next pass reads them again, and sees whether another has taken the name.
			return s.leaveToCollector(state, fmt.Errorf("delete Secret %q in project %q: %w", secret.Name, s.Home.Namespace, err))
		}
	}
	if revoked > 0 {
		s.Note(edgev1.ReasonTokensRevoked, fmt.Sprintf(
			"the tokens of %s and %s in project %q are revoked", s.publisher.Account, s.puller.Account, s.Home.Namespace), nil)
	}
	if slices.Contains(s.Edge.Finalizers, metav1.FinalizerOrphanDependents) {
		// An operator that is about to lose its lease may still create objects. They would stay if the collector had not been here.
		return &pass.Blocked{Reason: edgev1.ReasonDeletionPending, Retry: pass.RetrySoon().RequeueAfter,
			Message: "the garbage collector has not released the objects yet, as --cascade=orphan asks"}
	}
	return nil
}

// leaveToCollector ignores a refusal, and reports how the tokens end if the operator may no longer work in the project: garbage
// collection deletes their Secrets, unless the deletion orphans them.
func (s *session) leaveToCollector(state *projectState, err error) error {
	waits := state.ignoreGone(err)
	if waits == nil && apierrors.IsForbidden(err) && len(s.Record.Issued) > 0 {
		s.Note(edgev1.ReasonTokensRevoked, fmt.Sprintf(
			"the operator has no right in project %q any more: the garbage collector deletes the Secrets of this EdgeRegistry there, and the tokens of %s and %s die with them; after a deletion with --cascade=orphan run 'oc delete secrets -n %s -l %s=%s'",
			s.Home.Namespace, s.publisher.Account, s.puller.Account, s.Home.Namespace, objects.UIDLabel, s.Edge.UID), nil)
	}
	return waits
}
