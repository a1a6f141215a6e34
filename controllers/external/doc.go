// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package external is the provider for any private registry that is not the cluster's own. It gets its logins in one of two ways:
//
//	supplied  People put the logins into Secrets and say on each Secret what it may be used for. The operator publishes
//	          them as they change. It makes nothing in the registry.
//	Harbor    The operator makes the logins itself, as robots of a project, with an account that people supply.
//
// The files:
//
//	provider.go        what it works with and watches, and where EdgeRegistries may point
//	session.go         one EdgeRegistry during one pass: where its registry and its Secrets are
//	issuer.go          the issuer of supplied logins: finds what is published, and takes what is supplied
//	credentials.go     the Secrets that people supply, and what they allow
//	whose.go           whose a login in an Exchange is
//	entry.go           the entry for the registry in such a Secret
//	harbor_session.go  one EdgeRegistry with robots during one pass, and the client of Harbor
//	harbor_account.go  the account that makes robots, and what its Secret allows
//	harbor_rights.go   the permissions of that account, checked before anything is made with it
//	robots.go          lists, finds and deletes the EdgeRegistry's robots, and reports what somebody changed
//	harbor_issuer.go   the issuer: finds the robot in use, and makes the next
//	harbor_retire.go   ends robots that have outlived their lifetime
//	harbor_whose.go    whose a robot's login in an Exchange is
//	harbor_cleanup.go  deletes the robots of an EdgeRegistry that is being deleted
package external
