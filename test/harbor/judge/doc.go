// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Judge has Harbor's own Go client make, read, list, change, refresh and delete a robot, and prints on standard output what came
// of each. It is a module of its own for what that client requires.
//
//	main.go  what is asked
package main
