// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package standin is what the servers that play a platform have in common: a journal of the calls that each was asked, and the
// faults that meet them. A fault is what the network, a gateway or the platform does to a call now and then: the reply is lost,
// a page comes in its place, the call takes effect and fails, somebody else is faster. A stand-in embeds a Journal and has it
// serve each call; what a call is answered with where nothing goes wrong is the stand-in's own.
//
//	journal.go  calls, what tests ask of the journal, and which calls a fault may meet
//	fault.go    what goes wrong, and the usual cases of it
//	serve.go    how a call is served and noted, or goes wrong
package standin
