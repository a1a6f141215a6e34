// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kinds of errors, for errors.Is.
var (
	// ErrForbidden: the caller lacks a right.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: there is no such object, or no such kind.
	ErrNotFound = errors.New("not found")
	// ErrDisagrees: what a Secret says is not what the operator says, so that it is not used.
	ErrDisagrees = errors.New("disagrees")
	// ErrNotYet: the operator has not done yet what is needed.
	ErrNotYet = errors.New("not yet")
)

// problem is an error of a kind, with a text for people.
type problem struct {
	kind error
	text string
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.kind }

func because(kind error, format string, args ...any) error {
	return &problem{kind: kind, text: fmt.Sprintf(format, args...)}
}

const (
	askViewer = "have a cluster admin bind the ClusterRole edge-registry-viewer to you"
	askEditor = "have a cluster admin bind the ClusterRole edge-registry-editor to you"
)

// right is what a request needs.
type right struct {
	// verb and what are what was tried.
	verb, what string
	// ask is how to come by the right, and instead what works without it, if anything does.
	ask, instead string
}

// explain says of a failed request what it means to who asked.
func explain(err error, r right) error {
	switch {
	case apierrors.IsForbidden(err):
		text := fmt.Sprintf("you may not %s %s: %s", r.verb, r.what, r.ask)
		if r.instead != "" {
			text += "; without it, " + r.instead
		}
		return because(ErrForbidden, "%s", text)
	case apierrors.IsUnauthorized(err):
		return because(ErrForbidden, "the cluster does not know you: log in to it again (%v)", err)
	case apierrors.IsNotFound(err):
		// An API server that knows the kind says so in its own form.
		if apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
			return because(ErrNotFound, "the cluster does not serve EdgeRegistries: the operator is not installed there, or the kubeconfig leads to another cluster")
		}
		return because(ErrNotFound, "there is no %s", strings.TrimPrefix(r.what, "the "))
	default:
		return fmt.Errorf("%s %s: %w", r.verb, r.what, err)
	}
}
