// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ibmcloud is the provider of IBM Cloud Container Registry. With an API key that people supply, it finds or makes a registry
// namespace and two service IDs, and grants each service ID only what it needs. It makes, renews and ends API keys of these service
// IDs; the shared steps publish them. The supplied key is sent only to IBM Cloud's IAM and to the management API of the registry.
//
//	provider.go            what it works with and watches
//	session.go             one EdgeRegistry during one pass
//	cloud.go               the cache of answers about an account, for all EdgeRegistries with the same supplied key
//	supplied.go            the Secret with the supplied key, and what it allows
//	account.go             AccountReady
//	registry_namespace.go  RegistryNamespaceReady
//	quota.go               how much of the account's quota is used
//	access.go              AccessGranted: service IDs that the operator makes, and their policies
//	given_access.go        AccessGranted: service IDs that the spec names
//	issuer.go              the issuer: finds what is published
//	keys.go                makes keys, written ahead
//	retire.go              ends keys whose lifetime is over
//	whose.go               whose a login in an Exchange is
//	gone.go                confirms by a list that something is gone
//	cleanup.go             deletes what was made for an EdgeRegistry
//	explain.go             turns failed calls into errors for conditions
package ibmcloud
