// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// namedFault is a fault of a table.
type namedFault struct {
	name  string
	fault Fault
	// meets chooses the calls that the fault can meet.
	meets func(*Call) bool
}

var (
	anyCall = func(*Call) bool { return true }
	reads   = func(c *Call) bool { return !changes(c) }
	makes   = func(c *Call) bool { return c.Verb == "create" && changes(c) && !c.Mints() }
)

// changes reports whether a call would change an object, were it not for a dry run.
func changes(c *Call) bool { return c.Writes() || c.Verb == "create" && c.query != "" }

// faultTable is what the API server and the network do to a request now and then.
var faultTable = []namedFault{
	{"a conflict", Refuse(409, metav1.StatusReasonConflict, "the object has been modified", -1), changes},
	{"it exists already", Refuse(409, metav1.StatusReasonAlreadyExists, "the object already exists", -1), makes},
	{"too many requests", Refuse(429, metav1.StatusReasonTooManyRequests, "too many requests", 1), anyCall},
	{"an internal error", Refuse(500, metav1.StatusReasonInternalError, "an error on the server", -1), anyCall},
	{"unavailable", Refuse(503, metav1.StatusReasonServiceUnavailable, "the server is unavailable", -1), anyCall},
	{"forbidden", Refuse(403, metav1.StatusReasonForbidden, `User "the operator" cannot do this`, -1), anyCall},
	{"invalid", Refuse(422, metav1.StatusReasonInvalid, "the object is invalid", -1), changes},
	{"a timeout", Timeout, anyCall},
	{"a reset after the effect", Reset, anyCall},
	{"half an answer", Truncate, reads},
}

// B1: each request meets each fault once. The operator goes on by itself and ends where an undisturbed one does, and no
// token is withdrawn for an error.
func TestAFaultAtAnyCallHealsByItself(t *testing.T) {
	suite := NewSuite(t, "B1", 20)
	meetOnce(t, suite, Workloads, faultTable, " at ", func(c *Case, call *Call, f namedFault) {
		// A deletion believes that it lacks a right, and does not wait for it.
		believed := f.name == "forbidden" && c.Workload.Reference(c.T, world).InDeletion(call)
		c.Judge(&Allowance{Lost: 1, LeftBehind: believed})
	})
}

// meetOnce adds a case for each call of some workloads and each fault that can meet it, in which it does once. how is
// between the two in the name of the case.
func meetOnce(t *testing.T, suite *Suite, workloads []*Workload, faults []namedFault, how string, judge func(*Case, *Call, namedFault)) {
	t.Helper()
	for _, workload := range workloads {
		for _, call := range workload.Reference(t, world).Calls {
			for _, f := range faults {
				if !f.meets(call) {
					continue
				}
				suite.Run(workload.Name+"/"+f.name+how+call.Signature, func(t *testing.T) {
					c := NewCase(t, world, workload)
					if c.Live(At(call.Signature, f.fault)).Fired() != 1 {
						t.Fatal("the operator never came to this call")
					}
					judge(c, call, f)
				})
			}
		}
	}
}
