// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watches starts passes when something changed. A pass reads live whatever it judges, but for a few platform
// objects that an Informer holds.
//
//	triggers.go  watches that hold nothing, and the one loop that keeps them open
//	copies.go    what is known of the copies of a Secret, so that a pass does not read them all
//	stream.go    how a watch is read at little cost
//	informer.go  copies of a few platform objects
package watches
