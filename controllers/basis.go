// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"

	operatorv1 "github.com/openshift/api/operator/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// basis is what a success of the verification rests on: with another one, it says nothing of today. The zero
// value is that of no success: what one rested on was gone since.
type basis struct {
	edge types.UID
	host string
	ca   digest
	// tokens are the digests of both, and anchors the UIDs of the Secrets that they are bound to.
	tokens  [2]digest
	anchors [2]types.UID
	config  configState
}

// configState is what the Config of the registry says of whether there is one. Its other fields are looked at in each
// pass, without a trial (registryWarnings).
type configState struct {
	uid        types.UID
	management operatorv1.ManagementState
}

func (s *scope) basis() basis {
	b := basis{edge: s.edge.UID, host: s.host, ca: sha256.Sum256(s.ca), config: configState{s.config.UID, s.config.Spec.ManagementState}}
	for i, l := range s.logins() {
		b.tokens[i], b.anchors[i] = sha256.Sum256([]byte(l.token.Reveal())), l.token.claims.AnchorUID
	}
	return b
}

// restsOn reports whether the last success still rests on what this pass has found. After a restart nothing is
// known of it: the status is believed then, and what is found first counts as its basis.
func (r *EdgeRegistryReconciler) restsOn(s *scope) bool {
	now := s.basis()
	last, _ := r.bases.LoadOrStore(s.edge.Name, now)
	return last == now
}

// dropBasis has the registry asked at once by the next pass that comes to it.
func (r *EdgeRegistryReconciler) dropBasis(edge *edgev1.EdgeRegistry) {
	r.bases.Store(edge.Name, basis{})
}
