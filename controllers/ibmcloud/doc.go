// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ibmcloud is the provider of IBM Cloud Container Registry. With an API key that people supply it finds or makes a
// registry namespace and two service IDs, grants each of them no more than it needs there, and has API keys of theirs
// published, renewed and ended. The supplied key goes to IBM Cloud's IAM and to the registry's management alone.
//
//	provider.go            what it works with and watches
//	session.go             one EdgeRegistry during one pass
//	cloud.go               what is known of an account, for all EdgeRegistries that use one supplied key
//	supplied.go            the Secret with the supplied key, and what it allows
//	account.go             AccountReady
//	registry_namespace.go  RegistryNamespaceReady
//	quota.go               what of the account's quota is used
//	access.go              AccessGranted: the service IDs that it makes, and their policies
//	given_access.go        AccessGranted: service IDs that are there
//	issuer.go              the issuer: finds what is published
//	keys.go                makes keys, written ahead
//	retire.go              ends keys that have outlived their promise
//	whose.go               whose a login in an Exchange is
//	gone.go                whether something is gone that IBM Cloud says is not there
//	cleanup.go             what is undone with an EdgeRegistry
//	explain.go             what failed calls mean to people
package ibmcloud
