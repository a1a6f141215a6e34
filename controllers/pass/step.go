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
	// Advisory: its condition does not hold up Ready.
	Advisory bool
}

// Done is what a finished step says in its condition. The zero value says that the step does
// not apply, and its condition is then absent.
type Done struct {
	Reason, Message string
}

// DoneBecause is a finished step.
func DoneBecause(reason, format string, args ...any) Done {
	return Done{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Result is what the steps of a pass came to.
type Result struct {
	// Err is the first error of a step.
	Err error
	// Pending is the first condition that holds up Ready; nil when none does.
	Pending *metav1.Condition
	// Stopped is the condition of the step for which those after it wait; empty if all have run.
	Stopped string
	// Conditions are those of the steps, in their order.
	Conditions []string
}

// RunSteps runs the steps in their order until one cannot be done, and sets the condition of each: those of the steps
// after it wait. A condition that no step owns is taken off.
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

// Unsupported is the result of a pass over an EdgeRegistry that has no steps, since no provider knows it.
func Unsupported(edge *edgev1.EdgeRegistry, why *Blocked) Result {
	SetWaiting(edge, why.Reason, "waits for a provider")
	return Result{Err: why, Pending: &metav1.Condition{Type: edgev1.Ready, Status: metav1.ConditionFalse, Reason: why.Reason, Message: why.Message}}
}
