// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Step is one part of a pass. It alone owns its condition, but never sets it.
type Step struct {
	Condition string
	Run       func(context.Context) (Done, error)
	// Advisory: its condition does not affect Ready.
	Advisory bool
}

// Done is the reason and message of a finished step's condition. The zero value means that the step does not apply, and its
// condition is absent.
type Done struct {
	Reason, Message string
}

// DoneBecause returns the Done of a finished step.
func DoneBecause(reason, format string, args ...any) Done {
	return Done{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Result is the result of the steps of a pass.
type Result struct {
	// Err is the first error of a step.
	Err error
	// Pending is the first condition that keeps Ready from being True; nil if none does.
	Pending *metav1.Condition
	// Stopped is the condition of the step at which the pass stopped; empty if all have run.
	Stopped string
	// Conditions are those of the steps, in their order.
	Conditions []string
}

// RunSteps runs the steps in order until one cannot be done, and sets the condition of each; those of later steps are Unknown. A
// condition that no step owns is removed.
func RunSteps(ctx context.Context, steps []Step, s *Scope) Result {
	var result Result
	waitsFor, waitsBecause := "", ""
	for _, step := range steps {
		result.Conditions = append(result.Conditions, step.Condition)
		if waitsFor != "" {
			setWaiting(s.Edge, step.Condition, waitsBecause, "waits for "+waitsFor)
			continue
		}
		done, err := step.Run(ctx)
		err = s.persistent(err)
		condition := setCondition(s.Edge, step.Condition, done, err)
		if condition != nil && condition.Status != metav1.ConditionTrue && !step.Advisory && result.Pending == nil {
			result.Pending = condition
		}
		if err == nil {
			continue
		}
		if result.Err == nil {
			result.Err = err
		}
		if b := AsBlocked(err); b == nil || !b.CarryOn {
			waitsFor, waitsBecause = step.Condition, condition.Reason
			result.Stopped = step.Condition
		}
	}
	s.Edge.Status.Conditions = slices.DeleteFunc(s.Edge.Status.Conditions, func(c metav1.Condition) bool {
		return !isSummary(c.Type) && !slices.Contains(result.Conditions, c.Type)
	})
	return result
}

// Unsupported returns the result for an EdgeRegistry whose provider this version does not know.
func Unsupported(edge *edgev1.EdgeRegistry, why *Blocked) Result {
	SetWaiting(edge, why.Reason, "waits for a provider")
	return Result{Err: why, Pending: &metav1.Condition{Type: edgev1.Ready, Status: metav1.ConditionFalse, Reason: why.Reason, Message: why.Message}}
}
