// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harbor is a client of Harbor's API v2.0, as far as the robots of a project go.
//
// Every call takes a context, which bounds it, and returns an *Error. No error or other text of this package holds a secret: of an
// answer of Harbor's it repeats only the code and the redacted message. A request is sent once. A caller that makes a robot and gets
// no answer can find it by its name.
//
// What Harbor does was read in its source (v2.16, api/v2.0/swagger.yaml and the handler of robots in src/server/v2.0/handler).
//
//	client.go    one call and its answer
//	errors.go    why a call failed
//	projects.go  projects, whose robots are listed by a number
//	rights.go    what the account may do
//	robots.go    robots
//	accepts.go   whether a login works
package harbor
