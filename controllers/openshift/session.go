// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"fmt"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// session is one EdgeRegistry during one pass. It implements pass.Session.
type session struct {
	*Provider
	*pass.Scope

	// expose sets config, which is the registry's Config, the admitted route, and the router that admitted it.
	config *imageregistryv1.Config
	route  *routev1.Route
	router string
	// prepareProject sets the following. username is the operator's own. isNew: the project was requested in this pass.
	username string
	isNew    bool
	// accounts and bindings are the objects with the EdgeRegistry's names in the project.
	accounts map[string]*corev1.ServiceAccount
	bindings map[string]*rbacv1.RoleBinding
	// accountsListed is the resourceVersion at which the pass listed the service accounts; empty if it did not.
	accountsListed string
	// signingKeys are the keys of the API server's tokens, once they were read.
	signingKeys keySet
	// publisher and puller are the two logins as this provider knows them.
	publisher, puller login
}

// login is one of the two service accounts.
type login struct {
	*pass.Login
	// accountUID is the UID of the service account, which grantAccess sets.
	accountUID  types.UID
	clusterRole string
	tokenType   edgev1.TokenType
}

// Begin implements pass.Provider.
func (p *Provider) Begin(scope *pass.Scope) pass.Session { return p.begin(scope) }

func (p *Provider) begin(scope *pass.Scope) *session {
	s := &session{Provider: p, Scope: scope}
	scope.Home = pass.Home{
		Namespace: ProjectName(scope.Edge), Noun: "project", Terminating: edgev1.ReasonProjectTerminating,
		AfterDeletion: "it is requested again when it is gone",
		Invite:        s.inviteCommand, LessGranted: " (a custom project template may grant less than admin)",
	}
	spec, project := scope.Edge.Spec.OpenShift, scope.Home.Namespace
	if spec.Project.Policy == edgev1.ProjectAdopt {
		scope.Home.AfterDeletion = consent.InviteAgain
	}
	scope.Registry.Repository = project
	s.publisher = newLogin(&scope.Publisher, project, spec.Publisher.ServiceAccountName, spec.Publisher.ClusterRole, spec.Publisher.Token)
	s.puller = newLogin(&scope.Puller, project, spec.Puller.ServiceAccountName, spec.Puller.ClusterRole, spec.Puller.Token)
	return s
}

func newLogin(l *pass.Login, project, account, clusterRole string, policy edgev1.TokenSpec) login {
	lifetime := policy.Lifetime.Duration
	// The registry accepts any user name with a token. This one shows whose login it is, for example in the Exchange.
	l.Account, l.User = account, account+"."+project
	l.Policy = pass.Policy{Lifetime: lifetime, RenewBefore: lifetime * 2 / 3}
	if policy.RenewBefore != nil {
		l.Policy.RenewBefore = policy.RenewBefore.Duration
	}
	l.PullAdvice = fmt.Sprintf("check that ClusterRole %q allows get on imagestreams/layers", clusterRole)
	l.PushAdvice = fmt.Sprintf("check that ClusterRole %q allows update on imagestreams/layers", clusterRole)
	l.TooMuch = fmt.Sprintf("set spec.openshift.puller.clusterRole to system:image-puller, or remove other bindings of %s in the project", account)
	tokenType := edgev1.TokenBound
	if policy.Type == edgev1.TokenLongLived {
		tokenType = edgev1.TokenLongLived
	}
	return login{Login: l, clusterRole: clusterRole, tokenType: tokenType}
}

// logins are both logins, the publisher's first.
func (s *session) logins() []*login { return []*login{&s.publisher, &s.puller} }

// of returns what this provider knows about a login of the pass.
func (s *session) of(l *pass.Login) *login {
	if l.Role == edgev1.TokenPublisher {
		return &s.publisher
	}
	return &s.puller
}

// inviteCommand is what the owner of the project runs to let the operator in.
func (s *session) inviteCommand() string {
	return consent.Find(nil, consent.Project, s.Home.Namespace, s.username, s.Edge.Name).Command(s.Edge.Name)
}

// Steps implements pass.Session.
func (s *session) Steps() []pass.Step {
	return []pass.Step{
		{Condition: edgev1.RegistryExposed, Run: s.expose},
		objects.Explained(s.Scope, pass.Step{Condition: edgev1.ProjectReady, Run: s.prepareProject}),
		objects.Explained(s.Scope, pass.Step{Condition: edgev1.AccessGranted, Run: s.grantAccess}),
	}
}

// Cleanups implements pass.Session. The right to work in the project is given up last.
func (s *session) Cleanups() []pass.Cleanup {
	return []pass.Cleanup{
		{What: "revoke the tokens", Run: s.revokeTokens},
		{What: "restore the default route", Run: s.restoreDefaultRoute},
		{What: "leave the project", Run: s.leaveProject},
	}
}
