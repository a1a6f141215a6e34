// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ibmcloud is a client of IBM Cloud: of its IAM, as far as service IDs, their API keys and their policies go, and of the
// management API of IBM Cloud Container Registry.
//
// Every call takes a context, which bounds it, and returns an *Error. No error or other text of this package holds a key or a token:
// of an answer of IBM's it repeats only the code and the redacted message.
//
//	endpoints.go  the regions, and where their APIs are
//	client.go     one call and its answer
//	pages.go      lists of several pages
//	retry.go      which requests are sent again, and when
//	errors.go     why a call failed
//	answer.go     the errors of IBM's APIs
//	token.go      the IAM token for a key, and the cache of tokens
//	identity.go   service IDs
//	keys.go       API keys
//	policy.go     roles and access policies
//	registry.go   namespaces and quotas of the registry
//	stamp.go      the times of IAM
package ibmcloud
