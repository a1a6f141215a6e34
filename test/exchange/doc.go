// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package exchange plays an Open Horizon Exchange over TLS, as far as services, the logins of their images and the nodes that
// read them are concerned, and a node that reads them.
//
// It copies exchange-api 2.154.0 (open-horizon/exchange-api, commit dfaabdcc), folder
// src/main/scala/org/openhorizon/exchangeapi: statuses, bodies, the order of a list, what a write changes beside what it is
// about, who may do what, which change is logged under which name, and what is cached. Where builds differ, an option says
// which one is played. The node copies open-horizon/anax, commit 2f3fa5a5: the cache of what was read from an Exchange, the
// worker that asks for changes, and the pull of images. The names of the files there stand at what was copied from them.
//
// Where the real hzn is on PATH, the tests drive it against this package.
//
//	exchange.go   the server, its users, and what tests ask of it
//	clock.go      the time, which tests move, and how it is written
//	auth.go       who calls, and what that caller may do
//	services.go   the calls about services
//	write.go      what a write of a service changes
//	dockauths.go  the calls about the logins of a service's images
//	changes.go    the changes that nodes ask for, and their heartbeats
//	search.go     which nodes run a service, and which report errors
//	documents.go  keys, policies and patterns, which are kept as they come
//	calls.go      what is noted of a call, and how it is served
//	agent.go      a node that keeps the agent's rules
//	player.go     the same in the process, for a thousand nodes over days, and an agreement bot
//	copy.go       a copy of the database, and its way back
package exchange
