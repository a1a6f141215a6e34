// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what the account that makes robots of Harbor may do.

import (
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

func TestARightThatTheAccountLacksIsNamed(t *testing.T) {
	without := func(rights ...string) func(*plantHarbor) {
		return func(p *plantHarbor) {
			p.user, p.secret = p.AddRobot("plant", "weak", "lacks a right", slices.DeleteFunc(slices.Clone(makers), func(right string) bool { return slices.Contains(rights, right) })...)
		}
	}
	untold := func(rights ...string) func(*plantHarbor) {
		return func(p *plantHarbor) {
			without(rights...)(p)
			p.Inject(&standin.Fault{Match: asksRights, Always: true, Status: http.StatusNotFound, Body: `{"errors":[{"code":"NOT_FOUND","message":"not found"}]}`})
		}
	}
	for name, test := range map[string]struct {
		weaken func(*plantHarbor)
		named  []string
		// made: it is known by what Harbor answers as a robot is made.
		made bool
	}{
		"project:read":            {without("project:read"), []string{"project:read"}, false},
		"robot:list":              {without("robot:list"), []string{"robot:list"}, false},
		"robot:create":            {without("robot:create"), []string{"the permission robot:create on project plant", "an admin of the project"}, false},
		"robot:update":            {without("robot:update"), []string{"the permission robot:update on project plant"}, false},
		"robot:delete":            {without("robot:delete"), []string{"the permission robot:delete on project plant"}, false},
		"repository:push":         {without("repository:push"), []string{"the permission repository:push on project plant"}, false},
		"two of them":             {without("robot:delete", "repository:pull"), []string{"the permissions robot:delete and repository:pull on project plant"}, false},
		"robot:create, untold":    {untold("robot:create"), []string{"the permission robot:create", "403"}, true},
		"repository:push, untold": {untold("repository:push"), []string{"repository:push", "403"}, true},
		"a maintainer": {func(p *plantHarbor) {
			p.AddMaintainer("mary", "Maintains-it-1", "plant")
			p.user, p.secret = "mary", "Maintains-it-1"
		}, []string{"the permissions robot:create, robot:update and robot:delete on project plant"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			p := startHarbor(t, o.clock)
			test.weaken(p)
			edge := p.install(t)
			p.Forget()
			o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPermissionMissing)
			for _, named := range test.named {
				g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring(named))
			}
			g.Expect(condition(t, edge, edgev1.Stalled).Status).To(Equal(metav1.ConditionTrue))
			g.Expect(p.Count(harbor.Writes) > 0).To(Equal(test.made), "nothing is asked to be made where it is known before")
			o.turnsByItself(t, edge, edgev1.CredentialsIssued, func() {
				if p.user == "mary" {
					p.AddAdmin("mary", p.secret, "plant")
					return
				}
				p.Grant("weak", makers...)
			})
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		o := harborOperator(t)
		p := startHarbor(t, o.clock)
		right := p.secret
		p.secret = "wrong-secret-1A"
		edge := p.install(t)
		o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonAccountRefused)
		NewWithT(t).Expect(condition(t, edge, edgev1.CredentialsIssued).Message).NotTo(ContainSubstring(p.secret))
		o.turnsByItself(t, edge, edgev1.CredentialsIssued, func() {
			account := &corev1.Secret{}
			NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: objects.CredentialsNamespace, Name: edge.Spec.External.Harbor.CredentialsSecretRef.Name}, account)).To(Succeed())
			edit(t, account, func(s *corev1.Secret) { s.Data["password"] = []byte(right) })
		})
	})
}

// asksRights matches the question what the account may do.
func asksRights(c standin.Call) bool { return c.Path == "/api/v2.0/users/current/permissions" }

func TestWhatAnAccountMayDoByItselfIsEnough(t *testing.T) {
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	p.AddAdmin("ada", "Administers-1", "plant")
	p.user, p.secret = "ada", "Administers-1"
	p.expectOneRobotEach(t, o.settles(t, p.install(t)))
}

func TestARightThatIsTakenAwayIsToldBeforeARenewalNeedsIt(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	p.Forget()
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.settles(t, edge)
	g.Expect(p.Count(asksRights)).To(BeZero(), "it is asked once a day")
	p.Grant("maker", "project:read", "robot:list", "robot:read", "robot:update", "robot:delete", "repository:pull", "repository:push")
	o.clock.SetTime(o.clock.Now().Add(oneDay))
	o.settles(t, edge)
	g.Expect(p.Count(asksRights)).To(Equal(1))
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring("lacks the permission robot:create on project plant"))

	// A renewal cannot be, and what is published works on.
	o.clock.SetTime(o.clock.Now().Add(20 * oneDay))
	o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPermissionMissing)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring("the robot in use works until"))
	p.expectOneRobotEach(t, edge)
	p.Grant("maker", makers...)
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.settles(t, edge)
	g.Expect(p.of(edge, "puller")).To(HaveLen(2))
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).NotTo(ContainSubstring("lacks"))
}
