// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harbor is a stand-in for Harbor: the part of its API v2.0 that is about robots of projects, its token endpoint, and
// its registry, which is distribution itself where the program is given.
//
// It answers as Harbor's source does (goharbor/harbor main of 2026-08-21, v2.16: the packages src/server/v2.0/handler,
// src/controller/robot, src/core/service/token and src/server/middleware/v2auth):
//
//   - what a robot may do at the registry follows from the permissions that it was made with, each for one project;
//   - the token endpoint answers 200 with no actions to a wrong password, and to a robot that is disabled or expired; it ignores
//     the actions that are asked for, and gives all that there are; without scope it refuses who shows no login or a wrong one;
//   - a robot's login is a prefix, its project, a '+' and its name: robot$plant+edge;
//   - a secret that is given at the making is ignored; one that is given later is taken, and the previous one ends at once;
//   - lives are whole days from the making, -1 for ever; a name is taken once in a project;
//   - robots of a project are listed by its number;
//   - a robot that makes robots gives no more than it has; neither level nor name can be changed;
//   - whoever shows a login that works can read what it may do in a project, robots too.
//
// Harbor's own client for Go judges the API of robots (judge/), and clients of registries the rest. Harbor itself is served by no
// registry of packages.
//
//	harbor.go    the server, its projects and accounts
//	robots.go    the API of robots
//	rights.go    what the one who asks may do
//	answer.go    how it answers, and what it calls an error
//	registry.go  the token endpoint and the registry
//	calls.go     which calls are noted, and meet what goes wrong
package harbor
