// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pass is what one pass over one EdgeRegistry is made of, for the shared steps and for each provider. It sends
// nothing.
//
//	scope.go       what the steps of a pass tell each other
//	step.go        steps, and how they are run
//	conditions.go  the conditions that they leave in the status
//	blocked.go     why a step cannot be done now
//	lasting.go     how often what lasts, and nothing tells of, is looked at
//	outcome.go     when the next pass is
//	conflicts.go   conflicts that repeat
//	provider.go    what a provider has to offer
//	credential.go  the credentials of the two logins, and why one is replaced
//	revocation.go  a credential that a person ends before its time
//	nodes.go       what is known of nodes, and whether they may need an earlier login
//	memory.go      what the process remembers from pass to pass
//	record.go      what has to be known after a restart
//	check.go       how the record knows a token again that does not tell of itself
//	abandon.go     how long a deletion waits for a server outside of the cluster
//	time.go        times in annotations and in the status
package pass
