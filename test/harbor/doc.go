// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harbor is a stand-in for Harbor: the part of its API v2.0 that is about robots of projects, its token endpoint, and
// its registry, which is distribution itself where the program is given.
//
// It answers as Harbor's source does (goharbor/harbor main of 2026-08-21, v2.16: the packages src/server/v2.0/handler,
// src/controller/robot, src/core/service/token and src/server/middleware/v2auth):
//
//   - The rights of a robot at the registry follow from the permissions that it was made with, each for one project.
//   - The token endpoint answers a wrong password, and a robot that is disabled or expired, with 200 and a token without actions. It
//     ignores the requested actions and grants all that there are. Without a scope it refuses a missing or wrong login.
//   - The user name of a robot is a prefix, its project, a '+' and its name: robot$plant+edge.
//   - A secret in the request that makes a robot is ignored. One that is set later replaces the previous one at once.
//   - Lifetimes are whole days from the creation, -1 for ever. A name is unique in a project.
//   - Robots of a project are listed by the number of the project.
//   - A robot that makes robots grants no more than it has. Neither level nor name can be changed.
//   - Every account that works, robots too, can read what it may do in a project.
//
// Harbor's own client for Go tests the API of robots (judge/), and clients of registries the rest. No package registry serves Harbor
// itself.
//
//	harbor.go    the server, its projects and accounts
//	robots.go    the API of robots
//	rights.go    what the caller may do
//	answer.go    answers and errors
//	registry.go  the token endpoint and the registry
//	calls.go     the journal of calls, and faults
package harbor
