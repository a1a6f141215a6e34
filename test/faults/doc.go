// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package faults disturbs the operator on a real control plane, one fault in one place at a time, and checks that it
// ends where an undisturbed one does. `make faults-quick` runs a sample and `make faults` everything.
//
// The harness:
//
//	transport.go   numbers and names each request of an incarnation, lets a plan decide on it, and fences the dead
//	fault.go       what can become of a request, and plans of when
//	echo.go        what gives a token away that a request carries, or is answered with
//	relay.go       what stands between the API server and a watch
//	stream.go      what can become of the events of a watch, and where a cache may begin
//	fragile.go     a watch that breaks when it would tell of something
//	world.go       the control plane, the platform and the admin's eyes, shared by all cases
//	elsewhere.go   a registry that is not the cluster's own, and what can become of a request to it
//	outages.go     what happens to a control plane as a whole
//	workload.go    what the operator is asked to do
//	rights.go      what the operator of a case may do, where that is less than config/ gives it
//	case.go        one EdgeRegistry with one perturbation, and its incarnations
//	life.go        the direct driver: serial passes, made at once, by a clock that is stepped
//	manager.go     the manager driver: the same reconciler with its caches, queue and watches
//	election.go    which of several incarnations leads, by the two drivers above and below
//	process.go     the black box: the real binary, killed through a proxy that the same plans decide on
//
// What is asserted of every case:
//
//	oracle.go      the list, and the judgement
//	reference.go   the undisturbed run of a workload: its requests, its end state, its effects
//	snapshot.go    the end state, without what differs from run to run: the masks
//	journal.go     every version of every object, as an admin's watches saw it, in the order of the API server
//	invariants.go  what holds of each version, and of each change; of tokens in invariants_tokens.go
//	sinks.go       where no token may show, besides
//	ledger.go      every token that the API server issued, by its audit log
//
// A suite is a test in a file of its own, and a table; suite.go counts its cases against its floor.
package faults
