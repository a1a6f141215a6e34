// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// run is one pass over one EdgeRegistry, as the steps see it that every provider shares.
type run struct {
	*EdgeRegistryReconciler
	*pass.Scope
	session pass.Session
	// silence is why the registry did not answer, once askedRegistry, by CredentialsIssued.
	silence       error
	askedRegistry bool
	// record is what was known before this pass.
	record record
}

// steps are the provider's own, then the shared ones.
func (p *run) steps() []pass.Step {
	return append(p.session.Steps(),
		pass.Step{Condition: edgev1.RegistryTrusted, Run: p.trustRegistry},
		objects.Explained(p.Scope, pass.Step{Condition: edgev1.CredentialsIssued, Run: p.issueCredentials}),
		objects.Explained(p.Scope, pass.Step{Condition: edgev1.SecretsPublished, Run: p.publishSecrets}),
		pass.Step{
			Condition: edgev1.RegistryVerified, Run: p.verifyRegistry,
			Advisory: p.Edge.Spec.Verification.Policy != edgev1.VerificationRequired,
		},
	)
}

// cleanups remove the copies, then do what the provider has to.
func (p *run) cleanups() []pass.Cleanup {
	return append([]pass.Cleanup{{What: "remove the copies of the Secrets", Run: p.removeCopies}}, p.session.Cleanups()...)
}
