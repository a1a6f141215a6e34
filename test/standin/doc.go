// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package standin is what all stand-ins for servers share: a journal of the calls, and faults. A fault is what the network, a gateway or
// the platform may do to a call: the reply is lost, an HTML page comes in its place, the call takes effect and fails, somebody else is
// faster. A stand-in embeds a Journal, which serves each call and injects the faults. The stand-in itself only answers.
//
//	journal.go  the calls, what tests ask of the journal, and which calls a fault can hit
//	fault.go    faults, and the usual ones
//	serve.go    serves and records a call, or injects a fault
package standin
