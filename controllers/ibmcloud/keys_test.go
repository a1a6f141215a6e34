// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"testing"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// newSession is a pass over an EdgeRegistry whose service IDs are known.
func newSession() *session {
	edge := &edgev1.EdgeRegistry{}
	edge.UID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	edge.Spec.IBMCloud = &edgev1.IBMCloudSpec{Region: "us-south", RegistryNamespace: edgev1.RegistryNamespaceSpec{Name: "plant-images"}}
	s := &session{Scope: &pass.Scope{Edge: edge, Record: &pass.Record{}}, spec: edge.Spec.IBMCloud, account: "acc"}
	s.Record.Identify(edgev1.TokenPublisher, pass.RemoteIdentity{ID: "ServiceId-1", Subject: "iam-ServiceId-1"})
	s.Record.Identify(edgev1.TokenPuller, pass.RemoteIdentity{ID: "ServiceId-2", Subject: "iam-ServiceId-2", Given: true})
	return s
}

func TestWhichKeysAreOurs(t *testing.T) {
	s := newSession()
	mark := s.keyMark(edgev1.TokenPuller, 7)
	for name, test := range map[string]struct {
		key  ibmcloud.Key
		want bool
	}{
		"ours":                        {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: mark}, true},
		"another service ID's":        {ibmcloud.Key{IAMID: "iam-ServiceId-1", Description: mark}, false},
		"of another role":             {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: s.keyMark(edgev1.TokenPublisher, 7)}, false},
		"without a mark":              {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: "mine"}, false},
		"without a generation":        {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: s.mark(edgev1.TokenPuller)}, false},
		"with a generation that lies": {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: mark + "x"}, false},
		"with a number too many":      {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: s.mark(edgev1.TokenPuller) + generationMark + "9223372036854775807"}, false},
		"with a mark of a part of it": {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: "EdgeRegistry uid=0f1e2d3c role=puller generation=7"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(s.isOurs(test.key, edgev1.TokenPuller)).To(Equal(test.want))
		})
	}
	NewWithT(t).Expect(generationIn(mark)).To(Equal(int64(7)))
}

func TestWhichPolicyFits(t *testing.T) {
	s := newSession()
	roles := []string{"crn:reader", "crn:writer"}
	good := func() ibmcloud.Policy {
		return ibmcloud.Policy{ID: "p", Roles: []string{"crn:writer", "crn:reader"}, IAMID: "iam-ServiceId-1", Resource: s.resource()}
	}
	for name, change := range map[string]func(*ibmcloud.Policy){
		"a role less":           func(p *ibmcloud.Policy) { p.Roles = p.Roles[:1] },
		"a role more":           func(p *ibmcloud.Policy) { p.Roles = append(p.Roles, "crn:manager") },
		"another's":             func(p *ibmcloud.Policy) { p.IAMID = "iam-ServiceId-2" },
		"another namespace":     func(p *ibmcloud.Policy) { p.Resource["resource"] = "others" },
		"every namespace":       func(p *ibmcloud.Policy) { delete(p.Resource, "resource") },
		"a condition":           func(p *ibmcloud.Policy) { p.Other = true },
		"no id to adopt it by":  func(p *ibmcloud.Policy) { p.ID = "" },
		"every region":          func(p *ibmcloud.Policy) { delete(p.Resource, "region") },
		"another account's":     func(p *ibmcloud.Policy) { p.Resource["accountId"] = "other" },
		"another kind of thing": func(p *ibmcloud.Policy) { p.Resource["resourceType"] = "repo" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			policy := good()
			g.Expect(s.fits(policy, roles, "iam-ServiceId-1")).To(BeTrue())
			change(&policy)
			g.Expect(s.fits(policy, roles, "iam-ServiceId-1")).To(BeFalse())
		})
	}
	s.spec.Region = "global"
	NewWithT(t).Expect(s.resource()).To(And(HaveKeyWithValue("geography", "global"), Not(HaveKey("region"))))
}
