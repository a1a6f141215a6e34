// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harbor is a client of Harbor's API v2.0, as far as the robots of a project go.
//
// Every call takes a context, which bounds it, and returns an *Error. None of them, and no other text of this package, holds a
// secret: what Harbor answers is repeated as a code, and as a message out of which every secret that was in hand is taken. A
// request is sent once: whoever makes a robot and gets no answer finds it by its name.
//
// What Harbor does was read in its source (v2.16, api/v2.0/swagger.yaml and the handler of robots in src/server/v2.0/handler).
//
//	client.go    one call and its answer, and the bounds
//	errors.go    why a call failed
//	projects.go  projects, whose robots are listed by a number
//	rights.go    what the account may do
//	robots.go    robots
//	accepts.go   whether a login works
package harbor
