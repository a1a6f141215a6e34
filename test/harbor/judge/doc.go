// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Judge makes, reads, lists, changes, refreshes and deletes a robot with Harbor's own Go client, and prints each result on standard
// output. It is a module of its own because of that client's dependencies.
//
//	main.go  the calls
package main
