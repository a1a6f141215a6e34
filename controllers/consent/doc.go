// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package consent says whether the operator may work in a namespace for an EdgeRegistry. Being able to is no consent: an
// author of EdgeRegistries would have the rights that the operator got for another's.
//
//	invitation.go  the owner of the namespace invited the operator for this very EdgeRegistry
//	namespace.go   the namespace is the one that was served before
//	pauses.go      when a namespace that cannot be served is asked about again
package consent
