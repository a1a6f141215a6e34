// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watches starts passes when something changed. A pass reads live, except a few platform objects that an Informer caches.
//
//	triggers.go  watches that store nothing, and the one loop that keeps them open
//	copies.go    what is known of the copies of a Secret, so that a pass does not read them all
//	stream.go    how a watch is read at little cost
//	informer.go  a cache of a few platform objects
package watches
