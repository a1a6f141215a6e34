// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Explained wraps a step, and turns refusals in the home of the Secrets into errors that say what to do.
func Explained(s *pass.Scope, step pass.Step) pass.Step {
	run := step.Run
	step.Run = func(ctx context.Context) (pass.Done, error) {
		result, err := run(ctx)
		return result, explain(s, err)
	}
	return step
}

func explain(s *pass.Scope, err error) error {
	home := s.Home
	switch {
	case err == nil || pass.AsBlocked(err) != nil:
		return err
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return Terminating(s)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "status unknown for quota"):
		uncounted := pass.Waiting(edgev1.ReasonQuotaExceeded, "a quota of %s %q has not been counted by the cluster yet: %s", home.Noun, home.Namespace, text.Of(err))
		uncounted.Retry = 2 * time.Second
		return uncounted
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return pass.Stalled(edgev1.ReasonQuotaExceeded, "a quota of %s %q refuses what the operator needs: raise it, or delete what it counts there; refused was: %s", home.Noun, home.Namespace, text.Of(err))
	case apierrors.IsForbidden(err) && ofTheInstallation(err):
		return pass.Stalled(edgev1.ReasonRequestFailed, "the operator lacks a right that it is installed with: apply config/default again; refused was: %s", text.Of(err))
	case apierrors.IsForbidden(err) && !LacksRight(err):
		return pass.Stalled(edgev1.ReasonRequestFailed, "an admission rule of the cluster refuses what the operator needs: %s", text.Of(err))
	case apierrors.IsForbidden(err):
		missing := RightsMissing(s)
		missing.Message += "; refused was: " + text.Of(err)
		return missing
	default:
		return err
	}
}

// Terminating returns the error for a home of the Secrets that is being deleted.
func Terminating(s *pass.Scope) error {
	return pass.Waiting(s.Home.Terminating, "%s %q is being deleted: %s", s.Home.Noun, s.Home.Namespace, s.Home.AfterDeletion)
}

// RightsMissing returns the error for rights that the operator lacks in the home of the Secrets, and how its owner grants them.
func RightsMissing(s *pass.Scope) *pass.Blocked {
	return pass.Stalled(edgev1.ReasonRightsMissing, "the operator lacks rights in %s %q%s: run '%s'", s.Home.Noun, s.Home.Namespace, s.Home.LessGranted, s.Home.Invite())
}

// ofTheInstallation reports whether only the installation can grant a right, and no owner of a project: reading namespaces, naming
// an EdgeRegistry as an owner, access reviews of the puller, and records.
func ofTheInstallation(err error) bool {
	return slices.ContainsFunc([]string{
		`cannot get resource "namespaces"`, "cannot set blockOwnerDeletion", `cannot create resource "subjectaccessreviews"`,
		"write the record of EdgeRegistry",
	}, func(part string) bool { return strings.Contains(err.Error(), part) })
}

// LacksRight reports whether a 403 is for a missing right, by the text of the API server's authorisation, and not from an
// admission plugin or webhook.
func LacksRight(err error) bool {
	return strings.Contains(err.Error(), `User "`) && strings.Contains(err.Error(), " cannot ")
}
