// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edge-registry/edge-registry-operator/controllers"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const (
	// patience is how many passes an incarnation may need until it is at rest, for each step, where one fault is met.
	patience = 12
	// untilExchangeIsAway is how long an Exchange may take for an answer.
	untilExchangeIsAway = 2 * time.Second
	// restful is the least wait of an operator that is at rest: it wants to look again for what is due, not to try again.
	restful = time.Minute
)

// Life is one incarnation of the operator that makes its passes serially, by the direct driver: no queue, no watch, no
// cache, so that nothing happens but by the test.
type Life struct {
	*controllers.EdgeRegistryReconciler
	*Wire
	c *Case
	// Patience is how many passes it may need until it is at rest, for each step.
	Patience int
	// Panics: a pass may panic. It is told then as the queue would tell it, and another follows.
	Panics bool
}

// NewLife makes an incarnation that knows nothing of those before.
func (c *Case) NewLife(plan Plan) *Life {
	c.T.Helper()
	life := &Life{c: c, Patience: patience, Wire: &Wire{Name: c.Edge.Name, Plan: plan}}
	life.EdgeRegistryReconciler = &controllers.EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: c.Clock, Recorder: recorder{c.Told}, DialContext: c.World.OpenShift.DialContext,
		ExchangeTimeout: untilExchangeIsAway,
	}
	if c.elsewhere != nil {
		life.DialContext, life.ProbeTimeout = c.elsewhere.Dial, 2*time.Second
	}
	c.must(life.Connect(life.Wrap(c.operator)), "ready the reconciler")
	c.lives = append(c.lives, life.Wire)
	return life
}

// Live makes an incarnation and has it work until it is at rest or dead.
func (c *Case) Live(plan Plan) *Life {
	c.T.Helper()
	life := c.NewLife(plan)
	life.Run()
	return life
}

// Run makes passes until the last step is done and nothing is left to do, or until the incarnation is dead.
func (l *Life) Run() {
	l.c.T.Helper()
	for tries := 1; ; tries++ {
		wait, err := l.Pass()
		if l.Dead() {
			return
		}
		if l.isDone(wait, err) {
			if !l.c.ask() {
				return
			}
			tries = 0
			continue
		}
		l.expectAnother(wait, err)
		if tries >= l.Patience {
			l.c.T.Fatalf("not at rest after %d passes: the last one ended with error %v and wants another after %s; %s", tries, err, wait, l.c.standing())
		}
		// What the operator waits for may need a moment of real time; for the rest a stepped clock will do.
		l.c.pause(time.Duration(min(tries, patience)) * 2 * often)
		l.c.Clock.SetTime(l.c.Clock.Now().Add(wait))
	}
}

// isDone reports whether the last step is done and nothing is left to do, by how a pass ended.
func (l *Life) isDone(wait time.Duration, err error) bool {
	l.c.T.Helper()
	return err == nil && (wait == 0 || wait >= restful) && l.c.atRest()
}

// expectAnother fails where the queue would not bring another pass, of an incarnation that is not done. This driver makes
// one anyway.
func (l *Life) expectAnother(wait time.Duration, err error) {
	l.c.T.Helper()
	asleep := err == nil && wait == 0 && l.c.Edge.DeletionTimestamp.IsZero()
	if asleep || errors.Is(err, reconcile.TerminalError(nil)) {
		l.c.T.Fatalf("the operator is not done and does not want to look again: the last pass ended with error %v", err)
	}
}

// Pass makes one pass, and returns when the operator wants the next.
func (l *Life) Pass() (wait time.Duration, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			if !l.Panics {
				l.c.T.Errorf("a pass panicked: %v\n%s", cause, debug.Stack())
			}
			l.c.Told.Println(fmt.Sprintf("Observed a panic: %v %#v\n%s", cause, cause, debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	if now := time.Now(); now.After(l.c.Clock.Now()) {
		l.c.Clock.SetTime(now)
	}
	ctx := logf.IntoContext(l.c.ctx, l.c.Told.logger())
	result, err := l.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(l.c.Edge)})
	if err != nil {
		l.c.Told.Println(err)
	}
	return result.RequeueAfter, err
}

// standing is what the status says, for a failure.
func (c *Case) standing() string {
	if !c.Reload() {
		return "the EdgeRegistry is gone"
	}
	text := "its conditions:"
	for _, condition := range c.Edge.Status.Conditions {
		text += fmt.Sprintf("\n%s=%s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message)
	}
	return text
}

// logger is the operator's, at the most talkative level, so that whatever could log a token does.
func (t *Text) logger() logr.Logger {
	return credential.WithoutBodies(funcr.New(func(prefix, args string) { t.Println(prefix, args) }, funcr.Options{Verbosity: 10}))
}

// recorder is where events go.
type recorder struct{ *Text }

// Eventf implements events.EventRecorder.
func (r recorder) Eventf(_, _ runtime.Object, kind, reason, action, note string, args ...any) {
	r.Println(kind, reason, action, fmt.Sprintf(note, args...))
}
