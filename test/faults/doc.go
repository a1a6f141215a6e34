// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package faults disturbs the operator on a real control plane, by one fault in one place at a time, and checks that it reaches the same
// end state as an undisturbed one. `make faults-quick` runs a sample and `make faults` everything.
//
// The harness:
//
//	transport.go   numbers and names each request of an incarnation, lets a plan decide on it, and blocks ended incarnations
//	fault.go       the faults of a request, and plans of when they happen
//	echo.go        answers that repeat a token of the request or of the response
//	relay.go       relays the events of a watch
//	stream.go      the faults of a watch's events, and where a cache may begin
//	fragile.go     a watch that breaks just before it would send a certain event
//	world.go       the control plane, the platform and the admin's client, shared by all cases
//	elsewhere.go   a registry that is not the cluster's own, and the faults of a request to it
//	outages.go     outages of a control plane as a whole
//	workload.go    what the operator is asked to do
//	rights.go      the rights of a case's operator, if they are less than config/ grants
//	case.go        one EdgeRegistry with one perturbation, and its incarnations
//	life.go        the direct driver: passes in series, without pauses, by a clock that is stepped
//	manager.go     the manager driver: the same reconciler with its caches, queue and watches
//	election.go    which of several incarnations leads, with the two drivers above and below
//	process.go     the process driver: the real binary, killed through a proxy that uses the same plans
//
// What is asserted of every case:
//
//	oracle.go      the list of the checks, and the verdict
//	reference.go   the undisturbed run of a workload: its requests, its end state, its effects
//	snapshot.go    the end state, without what differs from run to run: the masks
//	journal.go     every version of every object, as an admin's watches saw it, in the order of the API server
//	invariants.go  what holds of each version, and of each change; of tokens in invariants_tokens.go
//	sinks.go       other places where no token may show
//	ledger.go      every token that the API server issued, by its audit log
//
// A suite is a test in a file of its own, and a table; suite.go counts its cases against its floor.
package faults
