// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// explainCopy says why something could not be done in a namespace of copyTo; nil if it could. Without an invitation the API server
// gives the same answer for an absent namespace as for one that exists.
func (p *run) explainCopy(ctx context.Context, namespace string, err error) *pass.Blocked {
	var known *pass.Blocked
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return terminating(namespace, forCopies)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err) && objects.LacksRight(err):
		return p.explainRefusal(ctx, namespace, err)
	default:
		return pass.Waiting(edgev1.ReasonRequestFailed, "namespace %q: %s", namespace, text.Of(err))
	}
}

func (p *run) explainRefusal(ctx context.Context, namespace string, refusal error) *pass.Blocked {
	_, err := p.readNamespace(ctx, namespace, forCopies)
	switch b := pass.AsBlocked(err); {
	case b != nil:
		return b
	case err != nil || apierrors.IsNotFound(refusal):
		return pass.Waiting(edgev1.ReasonRequestFailed, "namespace %q: %s", namespace, text.Of(refusal))
	default:
		username, _ := p.Username(ctx)
		return p.notInvited(namespace, consent.Find(nil, consent.Secrets, namespace, username, p.Edge.Name))
	}
}

// synced counts the targets with exactly the desired copy.
func (c copySet) synced() int {
	synced := 0
	for _, namespace := range c.targets {
		if c.failures[namespace] == nil {
			synced++
		}
	}
	return synced
}

// status counts the copies, and lists the first failures by name.
func (c copySet) status() *edgev1.CopiesStatus {
	if len(c.targets) == 0 && len(c.failures) == 0 {
		return nil
	}
	// Admission allows a thousand targets.
	status := &edgev1.CopiesStatus{Total: int32(len(c.targets)), Synced: int32(c.synced())} //nolint:gosec // See above.
	failed := slices.Sorted(maps.Keys(c.failures))
	for _, namespace := range failed[:min(len(failed), maxFailedCopies)] {
		why := c.failures[namespace]
		status.Failed = append(status.Failed, edgev1.CopyFailure{Namespace: namespace, Reason: why.Reason, Message: text.OneLine(why.Message)})
	}
	return status
}

// gist is the first failure by name, or the first that a person has to fix if there is one.
func (c copySet) gist() *pass.Blocked {
	var first *pass.Blocked
	for _, namespace := range slices.Sorted(maps.Keys(c.failures)) {
		if why := c.failures[namespace]; first == nil || (why.Stalled && !first.Stalled) {
			first = why
		}
	}
	return first
}

// missingCopies is the error of the step if not all copies are as desired. Later steps run anyway.
func (p *run) missingCopies(publications []*publication) error {
	var parts []string
	held := pass.Waiting(edgev1.ReasonCopiesPending, "")
	for _, pub := range publications {
		why := pub.copies.gist()
		if why == nil {
			continue
		}
		if why.Stalled {
			held = pass.Stalled(edgev1.ReasonCopiesFailed, "")
		}
		parts = append(parts, fmt.Sprintf("%d of %d copies of %s are up to date; %s", pub.copies.synced(), len(pub.copies.targets), pub.Secret, why.Message))
	}
	if parts == nil {
		return nil
	}
	held.Message, held.CarryOn, held.Retry = strings.Join(parts, "; "), true, p.retryCopies(publications)
	return held
}

// countCopies adds the number of copies to the message of the finished step.
func countCopies(publications []*publication) string {
	total := 0
	for _, p := range publications {
		total += len(p.copies.targets)
	}
	switch total {
	case 0:
		return ""
	case 1:
		return " and 1 copy"
	default:
		return fmt.Sprintf(" and %d copies", total)
	}
}

// retryCopies is the requeue interval for copies that could not be written: until the first pause ends, or the shortest one if there
// is none.
func (p *run) retryCopies(publications []*publication) time.Duration {
	pauses, first := pass.Part[consent.Pauses](p.Memory), consent.MostPause
	for _, pub := range publications {
		for namespace := range pub.copies.failures {
			first = min(first, pauses.Left(p.Now, namespace))
		}
	}
	return max(first, time.Second)
}
