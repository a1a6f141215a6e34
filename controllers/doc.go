// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers reconciles EdgeRegistries. A pass runs the steps of the provider, which are in the provider's package,
// then those that all providers share, which are here. A step has one condition, which this list names with its file. The
// first step that cannot be done ends the pass, unless later steps can run anyway.
//
//	edgeregistry_controller.go  Reconcile, its steps in their order, and how an EdgeRegistry is read and its status written
//	record.go                   what must be known of an EdgeRegistry after a restart
//	manager.go                  the manager, and what starts a pass
//	status.go                   the events about a pass, and the message of Ready
//	suspend.go                  an EdgeRegistry that is suspended
//	deletion.go                 the finalizer, and an EdgeRegistry that is being deleted
//	metrics.go                  the metrics
//	namespace.go                NamespaceReady: the namespace of the Secrets exists, if it is no project, and its owner invited the operator
//	trust.go                    RegistryTrusted: the registry's certificate leads to a trusted root, also one that an admin names
//	ca.go                       what ca.crt holds over time
//	dial.go                     how the registry's host is reached
//	credentials.go              CredentialsIssued: when a login gets another credential, the same for every issuer
//	verify_renewal.go           a working credential is replaced by one that the registry accepts
//	token_review.go             when an issuer is asked whether it still accepts a credential
//	mint_budget.go              the limit on mints that others cause
//	secrets.go                  SecretsPublished: both Secrets carry host, credential and CA
//	copies.go                   their copies in other namespaces
//	copies_status.go            the result of the copies, in the status and in messages
//	revoke.go                   a credential that a person ends before its time
//	verify.go                   RegistryVerified: the registry accepts both credentials for what they are meant to do
//
// What a pass is made of is in package pass, which sends nothing: the scope that steps share, the conditions that they
// leave, when the next pass is, what the process remembers, and the interface to a provider. Package objects writes
// whatever an EdgeRegistry has in namespaces of others, package watches starts passes, package apiserver is the connection,
// package delivery is the step ExchangeUpdated, and packages openshift and external are providers. None of them imports this
// one.
package controllers
