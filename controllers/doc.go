// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers reconciles EdgeRegistries.
//
// A pass runs these steps in order, each in the file of its name and with a condition of its own.
// The first that cannot be done ends the pass.
//
//	exposure.go  RegistryExposed    the image registry has an admitted Route
//	project.go   ProjectReady       the project is there, and the operator may work in it
//	access.go    AccessGranted      the service accounts hold their roles
//	trust.go     RegistryTrusted    the route's certificate leads to a trusted root
//	tokens.go    CredentialsIssued  both accounts have a token that is not due for renewal
//	secrets.go   SecretsPublished   both Secrets carry tokens, host and CA, and so do their copies (copies.go)
//	verify.go    RegistryVerified   the registry accepts both tokens for what they are meant to do
//
// A deletion is a list of its own (deletion.go, deletion_project.go, exposure_contest.go), and a suspended
// EdgeRegistry gets no pass at all (suspend.go).
//
// The step of the tokens has help: anchors.go (the Secrets that tokens are bound to), mint.go,
// longlived.go (tokens that do not expire), unpublished.go (a token whose publication is refused), proof.go (no
// token that works is given up for one that the registry does not take), liveness.go (whether the API server accepts a
// token) and token_review.go (when that is asked before its time: occasions.go, signing_keys.go).
//
// Steps return errors and never set conditions (steps.go does), nor decide when the next pass is
// (outcome.go does). Data goes from step to step in scope alone. Whatever a pass judges it reads
// live from the API server; watches only wake it (wakers.go, streams.go), but for a few platform
// objects (mirror.go); no watch lasts for ever (watches.go). Objects in a project are changed by ensure.go
// alone, and not without a pause where somebody undoes that each time (rivals.go). What ca.crt holds over time is in
// ca.go, and how the registry's host is reached in reach.go. No error may repeat a token (repeats.go).
package controllers
