// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Core uses the core of IBM's Go clients to exchange an API key for a token, cache it, send requests with it, and be refused with another
// key. It prints each result on standard output. It is a module of its own because of that core's dependencies.
//
//	main.go  the calls
package main
