// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package exchange simulates an Open Horizon Exchange over TLS, as far as services, the logins of their images and the nodes that
// read them are concerned, and a node that reads them.
//
// It behaves like exchange-api 2.154.0 (open-horizon/exchange-api, commit dfaabdcc, folder
// src/main/scala/org/openhorizon/exchangeapi): statuses, bodies, the order of a list, side effects of writes, rights, the log of
// changes, and caches. If builds differ, an option selects one. The node behaves like open-horizon/anax, commit 2f3fa5a5: the cache of
// what was read from an Exchange, the worker that asks for changes, and the pull of images. Comments name the source file of each
// behaviour.
//
// If the real hzn is on PATH, the tests run it against this package.
//
//	exchange.go   the server, its users, and what tests ask of it
//	clock.go      the time, which tests set, and its format
//	auth.go       callers and their rights
//	services.go   the calls about services
//	write.go      what a write of a service changes
//	dockauths.go  the calls about the logins of a service's images
//	changes.go    the changes that nodes ask for, and their heartbeats
//	search.go     which nodes run a service, and which report errors
//	documents.go  keys, policies and patterns, which are stored as they are
//	calls.go      the journal of calls
//	agent.go      a node that behaves like the agent
//	player.go     the same without HTTP, for a thousand nodes over days, and an agreement bot
//	copy.go       backup and restore of the database
package exchange
