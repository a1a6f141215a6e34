// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Core has IBM's core of its clients for Go trade an API key for a token, keep that, ask with it, and be refused with another key,
// and prints on standard output what came of each. It is a module of its own for what that requires.
//
//	main.go  what is asked
package main
