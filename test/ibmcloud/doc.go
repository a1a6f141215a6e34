// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ibmcloud simulates IBM Cloud over TLS, as far as an operator of its Container Registry is concerned: tokens, service IDs,
// API keys and policies of IAM, the management API of the registries of all regions, and their images.
//
// It follows what IBM's clients send and expect (platform-services-node-sdk 0.83.1, container-registry-node-sdk 1.1.14), what the
// documents say (ibm-cloud-docs/Registry and docs/iam), and what issues and traces show. It was never compared with the real service.
// If these sources leave something open, an option of New selects the answer, and a client has to cope with all of them.
//
// Rights follow only from the stored policies and the actions of each role. A write takes a while to be visible and to have effect, which
// tests shorten by their clock.
//
// Not copied: access groups, trusted profiles and tokens made for others, policies with conditions and of version 1, service ID
// groups, the trash and retention of images, reports of vulnerabilities, and the redirects of layers to other hosts.
//
// IBM's own clients for Node run against it, in the folder judge, and skopeo pushes and pulls through it.
//
//	cloud.go      the server, its options, and the host names that it serves
//	proxy.go      a proxy to it, for other programs
//	delays.go     how long it takes until a write is visible, and the formats of times
//	routes.go     the routes
//	calls.go      the journal of calls, and which calls hold a key in the wrong place
//	accounts.go   accounts, users and rights that tests make
//	oracles.go    what tests ask of it, and changes by others
//	token.go      exchanges keys for tokens
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
