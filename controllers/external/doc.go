// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package external is the provider of any private registry that is not the cluster's own. The operator has no rights there
// and makes nothing in it: people supply the logins in Secrets of a namespace of their own, and say on each Secret for what
// it may be used. They are published as they change.
//
//	provider.go     what it works with and watches, and where EdgeRegistries may point
//	session.go      one EdgeRegistry during one pass: where its registry and its Secrets are
//	issuer.go       the issuer, which makes nothing: finds what is published, and takes what is supplied
//	credentials.go  the Secrets that people supply, and what they allow
//	whose.go        whose a login in an Exchange is
//	entry.go        the entry in such a Secret that is for the registry
package external
