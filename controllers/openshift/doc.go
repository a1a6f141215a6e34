// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openshift is the provider of the image registry of the OpenShift cluster that the operator runs in. It knows what
// only OpenShift has: the registry's Config and Route, projects, and service accounts whose tokens are the credentials.
//
//	provider.go       what it works with, watches and remembers
//	session.go        one EdgeRegistry during one pass: its steps, cleanups and logins
//	exposure.go       RegistryExposed: the registry has an admitted Route
//	default_route.go  the switch of the default route, which all EdgeRegistries share
//	warnings.go       settings of the registry that can make pushes or pulls fail
//	project.go        ProjectReady: the project is there, and the operator may work in it
//	access.go         AccessGranted: both service accounts hold their roles
//	taken_names.go    names in the project that others have taken
//	secrets.go        reads the Secrets of the project: metadata of all, values by name
//	issuer.go         the issuer: finds, issues and revokes tokens
//	whose.go          whose a token in an Exchange is
//	bound_secret.go   the Secrets that tokens are bound to
//	long_lived.go     tokens that do not expire
//	retire.go         marks tokens as published, and deletes the Secrets of those that no longer work
//	ca_sources.go     the places where OpenShift publishes CAs
//	advice.go         what to do if the registry cannot be used, and how it differs from others
//	revoke.go         cleanup: revokes all tokens
//	cleanup.go        cleanup: deletes the project, or gives up the operator's rights there
//	names.go          names of objects
package openshift
