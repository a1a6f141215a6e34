// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ibmcloud plays IBM Cloud over TLS, as far as an operator of its Container Registry is concerned: tokens, service IDs,
// API keys and policies of IAM, the management API of the registries of all regions, and their images.
//
// It copies what IBM's clients send and expect (platform-services-node-sdk 0.83.1, container-registry-node-sdk 1.1.14), what
// the documents say (ibm-cloud-docs/Registry and docs/iam) and what issues and traces show. It was never held against the real
// thing: where these say nothing, an option of New says which answer is played, and a client has to bear all of them.
//
// Nothing is decided by who asks. Rights follow from the policies that are stored, and from what each role may do. What is
// written takes a while to be seen and to count, which tests shorten by their clock.
//
// Not copied: access groups, trusted profiles and tokens made for others, policies with conditions and of version 1, service ID
// groups, the trash and retention of images, reports of vulnerabilities, and the redirects of layers to other hosts.
//
// IBM's own clients for Node are driven against it, in the folder judge, and skopeo pushes and pulls through it.
//
//	cloud.go      the server, its options, and the names that it answers to
//	proxy.go      the way to it for programs that are given a proxy
//	delays.go     how long it takes until something is seen, and how times are written
//	routes.go     how a call is answered
//	calls.go      what is noted of a call, and which calls hold a key where none belongs
//	accounts.go   accounts, users, rights and levels of rights that tests make
//	oracles.go    what tests ask of it, and what they have others do
//	token.go      keys for tokens
//	rights.go     who may do what
//	serviceids.go service IDs
//	keys.go       API keys
//	keyreads.go   reads of API keys, and limits
//	policies.go   policies
//	namespaces.go namespaces and quotas
//	images.go     the list of images
//	logins.go     tokens of a registry
//	data.go       pushes and pulls
package ibmcloud
