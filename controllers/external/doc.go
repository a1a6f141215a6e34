// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package external is the provider of any private registry that is not the cluster's own. Mostly the operator has no rights
// there and makes nothing in it: people supply the logins in Secrets of a namespace of their own, and say on each Secret for
// what it may be used. They are published as they change. In a project of Harbor it makes the logins itself, as robots, with an
// account that people supply.
//
//	provider.go        what it works with and watches, and where EdgeRegistries may point
//	session.go         one EdgeRegistry during one pass: where its registry and its Secrets are
//	issuer.go          the issuer, which makes nothing: finds what is published, and takes what is supplied
//	credentials.go     the Secrets that people supply, and what they allow
//	whose.go           whose a login in an Exchange is
//	entry.go           the entry in such a Secret that is for the registry
//	harbor_session.go  one EdgeRegistry with robots during one pass, and the way to Harbor
//	harbor_account.go  the account that makes robots, and what its Secret allows
//	harbor_rights.go   what that account may do in Harbor, before anything is made with it
//	robots.go          which robots are the EdgeRegistry's, and what somebody did to them
//	harbor_issuer.go   the issuer: finds the robot in use, and makes the next
//	harbor_retire.go   ends robots that have outlived their lifetime
//	harbor_whose.go    whose a robot's login in an Exchange is
//	harbor_cleanup.go  deletes the robots of an EdgeRegistry that is being deleted
package external
