// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

const definition = "edgeregistries.edge.open-horizon.io"

// undefined is an EdgeRegistry whose definition is removed.
type undefined struct {
	*Case
	operator *Manager
	// token is the puller's, where there is one.
	token credential.Token
	// held is the call at which the operator is; nil for none.
	held *Held
}

// lastStates are those in which the definition is removed.
var lastStates = []struct {
	what     string
	workload *Workload
	// at is the call at which the operator is when the removal begins; empty when it is at rest.
	at string
	// late: the operator is started when the removal has begun.
	late bool
}{
	{what: "at rest", workload: resting},
	{what: "to go with its project", workload: &Workload{Name: "to go", Prepare: dropProject, Steps: []func(*Case){nothing}}},
	{what: "with tokens that do not expire", workload: longLived},
	{what: "without an operator at first", workload: resting, late: true},
	{what: "while its first token is minted", workload: Install, at: "create serviceaccounts/token NAME/edge-publisher #1"},
	{what: "while a token is minted again", workload: Rotate, at: "create serviceaccounts/token NAME/edge-puller #1"},
}

// I2: the definition of the kind is removed first, as an uninstallation in the wrong order does. That deletes all
// EdgeRegistries. Each deletion ends, with no token that works, and then the definition is gone. The operator lives on, and
// serves whoever installs the definition again.
func TestTheDefinitionIsRemovedFirst(t *testing.T) {
	suite := NewSuite(t, "I2", 1)
	its := worldOf(t, env.Options{})
	all := make([]*undefined, len(lastStates))
	for i, state := range lastStates {
		all[i] = &undefined{Case: NewCase(t, its, state.workload)}
		if !state.late {
			all[i].begin(state.at)
		}
	}
	gone := make(chan error, 1)
	go func() { gone <- its.Env.RemoveCRD(t.Context(), definition) }()
	for i, state := range lastStates {
		u := all[i]
		u.await("deletion", func() bool { return !u.Reload() || !u.Edge.DeletionTimestamp.IsZero() })
		u.deleted = append(u.deleted, u.Edge.UID)
		if state.late {
			u.begin("")
		}
		if u.held != nil {
			u.held.Release()
		}
	}
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	for i, state := range lastStates {
		suite.RunAlone(state.what, func(t *testing.T) { all[i].in(t, (*undefined).judge) })
	}
	if _, err := its.Env.InstallOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, state := range lastStates {
		t.Run(state.what+", and it comes back", func(t *testing.T) { all[i].in(t, (*undefined).comeBack) })
	}
}

// in has something told to a test of its own.
func (u *undefined) in(t *testing.T, do func(*undefined)) {
	before := u.T
	defer func() { u.T = before }()
	u.T = t
	do(u)
}

// begin starts the operator, and returns when it has come to a call, or to rest.
func (u *undefined) begin(at string) {
	u.T.Helper()
	if at == "" {
		u.operator = u.NewManager(nil)
	} else {
		u.held = NewHeld()
		u.T.Cleanup(u.held.Release)
		u.operator = u.NewManager(At(at, u.held.Fault))
		u.await("call to hold", u.held.HasReached)
	}
	if !u.Workload.Installs {
		u.token, _ = handoff.Token(u.secret("pull").Data)
	}
	if at == "" && u.Edge.DeletionTimestamp.IsZero() {
		u.await("operator at rest", u.atRest)
	}
}

func (u *undefined) judge() {
	u.T.Helper()
	if u.Reload() {
		u.T.Fatal("the EdgeRegistry is there still")
	}
	u.expectNothingOf(u.Edge)
	if !u.token.IsZero() {
		u.await("refusal of the token", func() bool { return !u.World.accepts(u.ctx, u.token) })
	}
	u.judgeRun()
}

// comeBack has the same operator serve another EdgeRegistry of the name.
func (u *undefined) comeBack() {
	u.T.Helper()
	select {
	case <-u.operator.Ended():
		u.T.Fatal("the operator has ended")
	default:
	}
	if u.Edge.Spec.DeletionPolicy == edgev1.DeletionDelete {
		u.Create()
	} else {
		createAgain(u.Case)
	}
	u.await("operator at rest", u.atRest)
	u.judgeUse()
}
