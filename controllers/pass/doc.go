// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pass is what one pass over one EdgeRegistry is made of, for the shared steps and for each provider. It sends
// nothing.
//
//	scope.go       the data that the steps of a pass share
//	step.go        steps, and how they are run
//	conditions.go  the conditions that they leave in the status
//	blocked.go     why a step cannot be done now
//	lasting.go     the requeue interval of a state that lasts and that no watch reports
//	outcome.go     when the next pass is
//	conflicts.go   conflicts that repeat
//	provider.go    the interface to a provider
//	credential.go  the credentials of the two logins, and why one is replaced
//	revocation.go  a credential that a person ends before its time
//	nodes.go       what is known of nodes, and whether they may need an earlier login
//	memory.go      what the process remembers from pass to pass
//	record.go      what must survive a restart
//	check.go       the checksum by which the record recognises a token
//	abandon.go     how long a deletion waits for a server outside of the cluster
//	time.go        times in annotations and in the status
package pass
