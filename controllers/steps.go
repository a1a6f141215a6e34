// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// step is one part of a pass. It alone owns its condition, but never sets it.
type step struct {
	condition string
	run       func(context.Context, *scope) (done, error)
}

// done is what a finished step says in its condition. The zero value says that the step does
// not apply, and its condition is then absent.
type done struct {
	reason  string
	message string
}

func doneBecause(reason, format string, args ...any) done {
	return done{reason: reason, message: fmt.Sprintf(format, args...)}
}

// scope is one pass over one EdgeRegistry, and the only way by which data goes from step to step.
// It holds observations; each field says which step makes them.
type scope struct {
	edge *edgev1.EdgeRegistry
	now  time.Time

	// config is the registry's Config as it was read, by expose.
	config *imageregistryv1.Config

	// route is the admitted Route, host its host and router the router that admitted it, by expose.
	route        *routev1.Route
	host, router string

	// project is the name of the project, and live what the operator has there, by prepareProject.
	project string
	live    projectObjects

	// publisher and puller are the two logins: the accounts by grantAccess, the tokens by issueTokens.
	publisher, puller login

	// ca is what ca.crt has to hold, reached how the host was asked, and unreachable why it could not
	// be, by trustRoute.
	ca          []byte
	reached     reached
	unreachable error
	// silence is why the registry did not answer, once askedRegistry, by issueTokens.
	silence       error
	askedRegistry bool

	// established: both Secrets were published before this pass, if not all of their copies.
	established bool
	// changing: this pass has a new spec, token, host, CA or list of copies to write.
	changing bool
	// wanted: this pass has seen live that the EdgeRegistry is there and not being deleted.
	wanted bool
	// wrote is true once this pass has changed an object, so that the verification looks again.
	wrote bool
	// conflicts is how many passes before this one ended in a conflict, in a row.
	conflicts int
	// notes are acts to tell in events, once the status is written.
	notes []note
	// next is when something is due again; zero when nothing is.
	next time.Time
}

// projectObjects are the objects in the project that carry the EdgeRegistry's label, as this pass read them.
type projectObjects struct {
	accounts map[string]*corev1.ServiceAccount
	bindings map[string]*rbacv1.RoleBinding
	secrets  map[string]*corev1.Secret
	// free are names that this pass found no Secret under, beyond those that it read.
	free sets.Set[string]
}

// login is one of the two service accounts of an EdgeRegistry with its token.
type login struct {
	role        edgev1.TokenRole
	account     string
	accountUID  types.UID
	clusterRole string
	policy      edgev1.TokenSpec
	// user is the user name of the login. The registry ignores it: it says whose a login is, wherever that is found.
	user string
	// secret is the name of the Secret that carries the token.
	secret string
	token  issuedToken
	// published is that Secret, and anchor that of the token in it, where there are such, by issueTokens.
	published, anchor *corev1.Secret
}

func newScope(edge *edgev1.EdgeRegistry, now time.Time) *scope {
	openshift := edge.Spec.OpenShift
	if openshift == nil {
		openshift = &edgev1.OpenShiftSpec{}
	}
	return &scope{
		edge:        edge,
		now:         now,
		project:     projectName(edge),
		established: len(edge.Status.Secrets) > 0,
		changing:    edge.Status.ObservedGeneration != edge.Generation,
		publisher: login{
			role:        edgev1.TokenPublisher,
			account:     openshift.Publisher.ServiceAccountName,
			user:        openshift.Publisher.ServiceAccountName + "." + projectName(edge),
			clusterRole: openshift.Publisher.ClusterRole,
			policy:      openshift.Publisher.Token,
			secret:      publishSecretName(edge),
		},
		puller: login{
			role:        edgev1.TokenPuller,
			account:     openshift.Puller.ServiceAccountName,
			user:        openshift.Puller.ServiceAccountName + "." + projectName(edge),
			clusterRole: openshift.Puller.ClusterRole,
			policy:      openshift.Puller.Token,
			secret:      pullSecretName(edge),
		},
	}
}

func (s *scope) logins() []*login {
	return []*login{&s.publisher, &s.puller}
}

// due notes that something is due at a time.
func (s *scope) due(at time.Time) {
	if s.next.IsZero() || at.Before(s.next) {
		s.next = at
	}
}

// runSteps runs the steps in their order until one cannot be done, and sets the condition of each: those of the steps
// after it wait. It returns the first error.
func runSteps(ctx context.Context, steps []step, s *scope) error {
	var first error
	for i, step := range steps {
		result, err := step.run(ctx, s)
		err = s.persistent(err)
		setCondition(s.edge, step.condition, result, err)
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		var b *blocked
		if !errors.As(err, &b) || !b.carryOn {
			_, reason, _ := verdict(err)
			setWaiting(s.edge, conditionsOf(steps[i+1:]), reason, "waits for "+step.condition)
			break
		}
	}
	return first
}

func conditionsOf(steps []step) []string {
	var conditions []string
	for _, step := range steps {
		conditions = append(conditions, step.condition)
	}
	return conditions
}
