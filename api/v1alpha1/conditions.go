// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. The first eleven belong to one step each and are True when the step is done;
// Ready, Reconciling and Stalled follow kstatus.
const (
	// RegistryExposed: the image registry has an admitted Route.
	RegistryExposed = "RegistryExposed"
	// ProjectReady: the project exists and the operator has the rights that it needs there.
	ProjectReady = "ProjectReady"
	// AccountReady: IBM Cloud accepts the supplied API key, and its account is the one that is meant.
	AccountReady = "AccountReady"
	// RegistryNamespaceReady: the namespace of IBM Cloud Container Registry exists in the account.
	RegistryNamespaceReady = "RegistryNamespaceReady"
	// AccessGranted: the service accounts, or the service IDs of IBM Cloud, exist and hold their roles.
	AccessGranted = "AccessGranted"
	// NamespaceReady: the namespace of the Secrets is there, and its owner invited the operator.
	NamespaceReady = "NamespaceReady"
	// RegistryTrusted: the registry presents a certificate for its host that leads to a root that the operator trusts.
	RegistryTrusted = "RegistryTrusted"
	// CredentialsIssued: there is a credential for pushing and one for pulling, and neither is due for renewal.
	CredentialsIssued = "CredentialsIssued"
	// SecretsPublished: both Secrets hold the current tokens, host and CA.
	SecretsPublished = "SecretsPublished"
	// RegistryVerified: the registry accepts both tokens, for what each is meant to do and no more. Absent when spec.verification.policy is Disabled.
	RegistryVerified = "RegistryVerified"
	// ExchangeUpdated: the services in the Exchange hold the puller's current login, and nodes were notified to read it. Absent without spec.exchanges.
	ExchangeUpdated = "ExchangeUpdated"

	// Ready: all of the above. Otherwise it has the status, reason and message of the first that is not True.
	Ready = "Ready"
	// Reconciling is present, and True, while the operator works towards Ready by itself.
	Reconciling = "Reconciling"
	// Stalled is present, and True, while a person has to act first.
	Stalled = "Stalled"
)

// Reasons of a True condition.
const (
	// ReasonReady: every step is done.
	ReasonReady = "Ready"
	// ReasonExposed (RegistryExposed): the Route is admitted.
	ReasonExposed = "Exposed"
	// ReasonOwned (ProjectReady): the project was requested for this EdgeRegistry.
	ReasonOwned = "Owned"
	// ReasonInvited (ProjectReady, NamespaceReady): the owner of the project or namespace invited the operator.
	ReasonInvited = "Invited"
	// ReasonKeyAccepted (AccountReady): IBM Cloud accepts the supplied API key.
	ReasonKeyAccepted = "KeyAccepted"
	// ReasonKeyExpiring (AccountReady): the same, and the supplied API key ends soon: supply another before.
	ReasonKeyExpiring = "KeyExpiring"
	// ReasonAdopted (RegistryNamespaceReady): the registry namespace was there.
	ReasonAdopted = "Adopted"
	// ReasonCreated (RegistryNamespaceReady): the registry namespace was made for this EdgeRegistry.
	ReasonCreated = "Created"
	// ReasonQuotaNearlyUsed (RegistryNamespaceReady): the registry namespace is there, and the account has used more than four fifths of what it may store or move in the region.
	ReasonQuotaNearlyUsed = "QuotaNearlyUsed"
	// ReasonQuotaUsedUp (RegistryNamespaceReady): the registry namespace is there, and the account has used up what it may store or move in the region, so that pushes or pulls are refused.
	ReasonQuotaUsedUp = "QuotaUsedUp"
	// ReasonGranted (AccessGranted): both service accounts or service IDs hold their roles.
	ReasonGranted = "Granted"
	// ReasonTrusted (RegistryTrusted): the registry was dialled and its chain verified.
	ReasonTrusted = "Trusted"
	// ReasonTrustedOffline (RegistryTrusted): the registry could not be dialled from here; the certificate that the router publishes was verified instead.
	ReasonTrustedOffline = "TrustedOffline"
	// ReasonCARolling (RegistryTrusted): the registry still shows a certificate of the outgoing CA, and its successor is known: ca.crt holds both.
	ReasonCARolling = "CARolling"
	// ReasonCAExpiring (RegistryTrusted): a certificate that verifies the registry ends soon, and consumers need time to take its successor.
	ReasonCAExpiring = "CAExpiring"
	// ReasonIssued (CredentialsIssued): both tokens were granted as asked.
	ReasonIssued = "Issued"
	// ReasonIssuedWithWarnings (CredentialsIssued): the same, and a key was disabled or locked at IBM Cloud, or is one that the operator does not know.
	ReasonIssuedWithWarnings = "IssuedWithWarnings"
	// ReasonIssuedShortened (CredentialsIssued): the API server granted less than the spec asks for; renewal follows the grant.
	ReasonIssuedShortened = "IssuedShortened"
	// ReasonSupplied (CredentialsIssued): the logins are those that people supply in Secrets.
	ReasonSupplied = "Supplied"
	// ReasonPublished (SecretsPublished): both Secrets are up to date.
	ReasonPublished = "Published"
	// ReasonVerified (RegistryVerified): login and rights were checked against the registry.
	ReasonVerified = "Verified"
	// ReasonVerifiedWithWarnings (RegistryVerified): login and rights are as they should be, and a setting of the registry may still keep users from pushing or nodes from pulling.
	ReasonVerifiedWithWarnings = "VerifiedWithWarnings"
	// ReasonNotProven (RegistryVerified): the registry accepts the logins, and what each may do was not proven, since no repository is named or the one that is named does not exist yet.
	ReasonNotProven = "NotProven"
	// ReasonAnonymousPull (RegistryVerified): the registry lets everybody pull, so that the pull proves nothing of the login, and nodes need none.
	ReasonAnonymousPull = "AnonymousPull"
	// ReasonDelivered (ExchangeUpdated): each service with an image of this registry holds the current login, and was touched since.
	ReasonDelivered = "Delivered"
	// ReasonNoServices (ExchangeUpdated): no service in the Exchange has an image of this registry.
	ReasonNoServices = "NoServices"
	// ReasonDeliveredWithWarnings (ExchangeUpdated): the same as Delivered, and logins of others in a service keep nodes from it, or are matched by no node.
	ReasonDeliveredWithWarnings = "DeliveredWithWarnings"
	// ReasonNodesLate (ExchangeUpdated): the same as Delivered, and nodes that run the services have not read the login. They pull with an earlier one, until that ends.
	ReasonNodesLate = "NodesLate"
)

// Reasons that any condition may have.
const (
	// ReasonPending (Unknown): the operator has not looked yet.
	ReasonPending = "Pending"
	// ReasonSuspended (Unknown, Ready): spec.suspend is true, and the operator writes nothing.
	ReasonSuspended = "Suspended"
	// ReasonDeletionPending (Ready): the EdgeRegistry is being deleted, and something holds it up.
	ReasonDeletionPending = "DeletionPending"
	// ReasonAPIUnavailable (waiting): an API of the cluster does not answer, as while OpenShift rolls its API servers.
	ReasonAPIUnavailable = "APIUnavailable"
	// ReasonRequestFailed (retried): an API of the cluster refused a request for a reason that has no name of its own.
	ReasonRequestFailed = "RequestFailed"
	// ReasonRightsMissing (stalled): the operator lacks a right in the project that it was given or invited to, or the supplied API key lacks one at IBM Cloud.
	ReasonRightsMissing = "RightsMissing"
	// ReasonQuotaExceeded (stalled): a quota of the project refuses an object.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonConflict (stalled): an object of the name that the operator needs exists, and is not this EdgeRegistry's.
	ReasonConflict = "Conflict"
	// ReasonNamespaceReplaced (stalled): a namespace was deleted and made again since it was first used, or cannot be distinguished from such a one; whoever writes the EdgeRegistry has to accept it.
	ReasonNamespaceReplaced = "NamespaceReplaced"
	// ReasonContested (stalled): somebody alters or deletes an object each time that the operator repairs it.
	ReasonContested = "Contested"
)

// Reasons of the conditions that depend on IBM Cloud: AccountReady, RegistryNamespaceReady, AccessGranted and CredentialsIssued.
const (
	// ReasonIBMCloudUnavailable (waiting): an API of IBM Cloud does not answer, or cannot serve now.
	ReasonIBMCloudUnavailable = "IBMCloudUnavailable"
	// ReasonIBMCloudUntrusted (waiting): the certificate of an API of IBM Cloud is not trusted, as behind a proxy that inspects TLS.
	ReasonIBMCloudUntrusted = "IBMCloudUntrusted"
	// ReasonIBMCloudUnexpected (waiting): an answer is not one of IBM Cloud's, or none that the operator knows.
	ReasonIBMCloudUnexpected = "IBMCloudUnexpected"
	// ReasonKeyRefused (stalled): IBM Cloud refuses the supplied API key: it is unknown, deleted, disabled or expired.
	ReasonKeyRefused = "KeyRefused"
	// ReasonKeyRestricted (stalled): IBM Cloud forbids the use of the supplied API key from the operator's address.
	ReasonKeyRestricted = "KeyRestricted"
	// ReasonAccountMismatch (stalled): the supplied API key is one of another account than spec.ibmCloud.accountID, or than before.
	ReasonAccountMismatch = "AccountMismatch"
	// ReasonRegistryNamespaceAbsent (stalled): the registry namespace does not exist in the account, or the supplied API key cannot see it.
	ReasonRegistryNamespaceAbsent = "RegistryNamespaceAbsent"
	// ReasonRegistryNamespaceTaken (stalled): the registry namespace is another account's, or was deleted a moment ago.
	ReasonRegistryNamespaceTaken = "RegistryNamespaceTaken"
	// ReasonLimitReached (stalled): the account has as many namespaces, service IDs, policies or keys as it may have.
	ReasonLimitReached = "LimitReached"
	// ReasonServiceIDMissing (stalled): a service ID that is named, or that was made, does not exist.
	ReasonServiceIDMissing = "ServiceIDMissing"
	// ReasonRightsExcessive (stalled): the policies of a service ID let it do more than its login needs.
	ReasonRightsExcessive = "RightsExcessive"
	// ReasonPropagating (waiting): a new key or right does not count yet, which takes IBM Cloud up to ten minutes.
	ReasonPropagating = "Propagating"
)

// Reasons of RegistryExposed.
const (
	// ReasonProviderUnknown (stalled): the object was stored with a provider that this version of the operator does not know.
	ReasonProviderUnknown = "ProviderUnknown"
	// ReasonAPIAbsent (stalled): this cluster does not serve the API of the image registry's Config: it is not OpenShift, or the capability is off.
	ReasonAPIAbsent = "APIAbsent"
	// ReasonRegistryAbsent (stalled): this cluster has no image registry Config.
	ReasonRegistryAbsent = "RegistryAbsent"
	// ReasonRegistryRemoved (stalled): spec.managementState of the Config is Removed.
	ReasonRegistryRemoved = "RegistryRemoved"
	// ReasonRegistryUnmanaged (stalled): spec.managementState of the Config is Unmanaged, Force or absent, so that setting defaultRoute does nothing.
	ReasonRegistryUnmanaged = "RegistryUnmanaged"
	// ReasonStorageNotConfigured (stalled): the registry has no storage; its operator makes no Route before it has.
	ReasonStorageNotConfigured = "StorageNotConfigured"
	// ReasonExposureContested (stalled): somebody switches the default route off each time that the operator switches it on.
	ReasonExposureContested = "ExposureContested"
	// ReasonRouteNotDeclared (stalled): spec.openshift.route names a Route that spec.routes[] of the Config does not declare.
	ReasonRouteNotDeclared = "RouteNotDeclared"
	// ReasonRouteNotFound (waiting): the registry operator has not made the Route yet.
	ReasonRouteNotFound = "RouteNotFound"
	// ReasonRouteNotAdmitted (waiting): no router has admitted the Route.
	ReasonRouteNotAdmitted = "RouteNotAdmitted"
)

// Reasons of ProjectReady.
const (
	// ReasonProjectTerminating (waiting): the project is being deleted; it is requested again when it is gone.
	ReasonProjectTerminating = "ProjectTerminating"
	// ReasonProjectAPIAbsent (stalled): this cluster does not serve projectrequests.
	ReasonProjectAPIAbsent = "ProjectAPIAbsent"
	// ReasonProjectRequestDenied (stalled): the cluster refuses the operator's ProjectRequest.
	ReasonProjectRequestDenied = "ProjectRequestDenied"
	// ReasonProjectReserved (stalled): the project is the operator's own namespace or the platform's.
	ReasonProjectReserved = "ProjectReserved"
	// ReasonProjectAbsent (waiting): spec.openshift.project.policy is Adopt, and the project does not exist.
	ReasonProjectAbsent = "ProjectAbsent"
	// ReasonNotInvited (stalled): the project exists, and its owner has not invited the operator for this EdgeRegistry.
	ReasonNotInvited = "NotInvited"
	// ReasonProjectConflict (stalled): the project exists, and was not requested for this EdgeRegistry.
	ReasonProjectConflict = "ProjectConflict"
)

// Reasons of AccessGranted.
const (
	// ReasonRoleMissing (stalled): the ClusterRole to bind does not exist.
	ReasonRoleMissing = "RoleMissing"
	// ReasonRoleNotGrantable (stalled): the operator may not bind this ClusterRole in the project.
	ReasonRoleNotGrantable = "RoleNotGrantable"
)

// Reasons of RegistryTrusted.
const (
	// ReasonHostNotAllowed (stalled): the operator's flag --external-hosts does not name the host.
	ReasonHostNotAllowed = "HostNotAllowed"
	// ReasonCABundleMissing (stalled): the ConfigMap or key of spec.trust.caBundleRef does not exist, or holds no certificate.
	ReasonCABundleMissing = "CABundleMissing"
	// ReasonRouteUnresolvable (waiting): the host does not resolve.
	ReasonRouteUnresolvable = "RouteUnresolvable"
	// ReasonRouteUnreachable (waiting): the host does not answer.
	ReasonRouteUnreachable = "RouteUnreachable"
	// ReasonHandshakeFailed (waiting): the host answers without a TLS certificate.
	ReasonHandshakeFailed = "HandshakeFailed"
	// ReasonNameMismatch (stalled): the certificate is for other names; no CA can mend that.
	ReasonNameMismatch = "NameMismatch"
	// ReasonCertificateExpired (stalled): a certificate of the chain is not valid now.
	ReasonCertificateExpired = "CertificateExpired"
	// ReasonRootMissing (stalled): what is known of the route's CA has no root certificate in it.
	ReasonRootMissing = "RootMissing"
	// ReasonProxyBetween (stalled): the host is asked through a proxy, and what it shows there may be a certificate of the proxy's own.
	ReasonProxyBetween = "ProxyBetween"
	// ReasonChainUntrusted (stalled): the route's chain leads to no root that the operator trusts.
	ReasonChainUntrusted = "ChainUntrusted"
)

// Reasons of CredentialsIssued.
const (
	// ReasonProofFailed (waiting): a token is due for renewal, and its successor could not be proven against the registry. The one in use stays.
	ReasonProofFailed = "ProofFailed"
	// ReasonTokenPending (waiting): the cluster has not filled the Secret of a LongLived token yet.
	ReasonTokenPending = "TokenPending"
	// ReasonCredentialMissing (stalled): a Secret with a supplied login or API key does not exist, or has no entry for the host.
	ReasonCredentialMissing = "CredentialMissing"
	// ReasonCredentialNotGranted (stalled): a Secret with a supplied login or API key does not say that it may be used for this EdgeRegistry, one of its namespaces, its registry namespace or a service ID.
	ReasonCredentialNotGranted = "CredentialNotGranted"
	// ReasonCredentialUnusable (stalled): the entry for the host is one that cannot be published as a login, or a Secret with an API key holds none.
	ReasonCredentialUnusable = "CredentialUnusable"
	// ReasonAccountRefused (stalled): the account with which credentials are made is refused.
	ReasonAccountRefused = "AccountRefused"
	// ReasonPermissionMissing (stalled): the account with which credentials are made lacks a right, which the message names.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonIssuerUnavailable (waiting): what makes the credentials does not answer, or not as it should.
	ReasonIssuerUnavailable = "IssuerUnavailable"
)

// Reasons of SecretsPublished.
const (
	// ReasonCopiesPending (waiting): a copy cannot be written now, for a cause that passes.
	ReasonCopiesPending = "CopiesPending"
	// ReasonCopiesFailed (stalled): a copy cannot be written, or removed, before a person acts.
	ReasonCopiesFailed = "CopiesFailed"
)

// Reasons of NamespaceReady, and of a failed copy, in status.secrets[].copies.failed[].
const (
	// ReasonNamespaceAbsent: the namespace does not exist.
	ReasonNamespaceAbsent = "NamespaceAbsent"
	// ReasonNamespaceTerminating: the namespace is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonReserved: the namespace is the operator's own or the platform's.
	ReasonReserved = "Reserved"
)

// Reasons of RegistryVerified.
const (
	// ReasonRegistryUnresolvable (waiting): the host does not resolve.
	ReasonRegistryUnresolvable = "RegistryUnresolvable"
	// ReasonRegistryUnreachable (waiting): the host does not answer.
	ReasonRegistryUnreachable = "RegistryUnreachable"
	// ReasonRegistryUntrusted (waiting): the published CA does not verify the host.
	ReasonRegistryUntrusted = "RegistryUntrusted"
	// ReasonRegistryUnavailable (waiting): the router or the registry answers with a server error.
	ReasonRegistryUnavailable = "RegistryUnavailable"
	// ReasonRegistryUnexpected (waiting): what answers does not behave as the OpenShift image registry.
	ReasonRegistryUnexpected = "RegistryUnexpected"
	// ReasonCredentialRefused (waiting): the registry refuses a token that the API server issued, or a login that was supplied.
	ReasonCredentialRefused = "CredentialRefused"
	// ReasonTokenHostNotAllowed (waiting): the registry has its tokens given by a host that the Secret of the login does not name.
	ReasonTokenHostNotAllowed = "TokenHostNotAllowed"
	// ReasonPullDenied (waiting): a token may not pull from the project.
	ReasonPullDenied = "PullDenied"
	// ReasonPushDenied (waiting): the publisher's token may not push to the project.
	ReasonPushDenied = "PushDenied"
	// ReasonPullerCanPush (stalled): the puller's token may push, so every node could replace images.
	ReasonPullerCanPush = "PullerCanPush"
)

// Reasons of ExchangeUpdated, beside those of a supplied login.
const (
	// ReasonExchangeUnreachable (waiting): the Exchange does not answer, or its name does not resolve.
	ReasonExchangeUnreachable = "ExchangeUnreachable"
	// ReasonExchangeUntrusted (waiting): the certificate of the Exchange is not verified.
	ReasonExchangeUntrusted = "ExchangeUntrusted"
	// ReasonExchangeUnavailable (waiting): the Exchange answers with a server error, or has no time.
	ReasonExchangeUnavailable = "ExchangeUnavailable"
	// ReasonExchangeUnexpected (waiting): what answers does not behave as an Exchange.
	ReasonExchangeUnexpected = "ExchangeUnexpected"
	// ReasonExchangeLoginRefused (stalled): the Exchange does not accept the login, or does not let it list services.
	ReasonExchangeLoginRefused = "ExchangeLoginRefused"
	// ReasonServicesPending (waiting): services were changed by others meanwhile, or could not be written now.
	ReasonServicesPending = "ServicesPending"
	// ReasonServicesFailed (stalled): services could not be written, and a person has to act.
	ReasonServicesFailed = "ServicesFailed"
)

// Reasons of events that report an act rather than a condition.
const (
	// ReasonDefaultRouteSet: the operator switched the image registry's default route on.
	ReasonDefaultRouteSet = "DefaultRouteSet"
	// ReasonProjectRequested: the operator requested the project.
	ReasonProjectRequested = "ProjectRequested"
	// ReasonProjectEmptied (warning): the project was deleted, and its images with it. It was requested again, and is empty.
	ReasonProjectEmptied = "ProjectEmptied"
	// ReasonTokenMinted: a token was issued and published.
	ReasonTokenMinted = "TokenMinted"
	// ReasonCredentialTaken: a login that was supplied is the one that the Secrets carry from now on.
	ReasonCredentialTaken = "CredentialTaken"
	// ReasonTokenRetired: the bound Secret of a token that had expired, or was never published, is deleted.
	ReasonTokenRetired = "TokenRetired"
	// ReasonServiceIDCreated: a service ID was made at IBM Cloud.
	ReasonServiceIDCreated = "ServiceIDCreated"
	// ReasonRegistryNamespaceCreated: the registry namespace was made at IBM Cloud.
	ReasonRegistryNamespaceCreated = "RegistryNamespaceCreated"
	// ReasonRegistryNamespaceDeleted: the registry namespace is deleted with all images, as deletionPolicy asks.
	ReasonRegistryNamespaceDeleted = "RegistryNamespaceDeleted"
	// ReasonRegistryNamespaceRetained: the operator keeps a registry namespace that deletionPolicy asks to delete, and the event says why.
	ReasonRegistryNamespaceRetained = "RegistryNamespaceRetained"
	// ReasonLeftAtIBMCloud (warning): the EdgeRegistry is being deleted, and what is named could not be deleted at IBM Cloud.
	ReasonLeftAtIBMCloud = "LeftAtIBMCloud"
	// ReasonRepaired: an object of the operator's had been deleted or altered, and is as it should be again.
	ReasonRepaired = "Repaired"
	// ReasonCopyRemoved: a namespace that was taken off copyTo lost its copy.
	ReasonCopyRemoved = "CopyRemoved"
	// ReasonTokensRevoked: the EdgeRegistry is being deleted, and its tokens no longer work.
	ReasonTokensRevoked = "TokensRevoked"
	// ReasonDefaultRouteRestored: the operator switched the default route off, which it had switched on.
	ReasonDefaultRouteRestored = "DefaultRouteRestored"
	// ReasonProjectDeleted: the operator deleted the project, as deletionPolicy asks.
	ReasonProjectDeleted = "ProjectDeleted"
	// ReasonProjectRetained: the operator keeps a project that deletionPolicy asks to delete, and the event says why.
	ReasonProjectRetained = "ProjectRetained"
	// ReasonProjectReleased: the operator gave up its own admin right in a project that is retained.
	ReasonProjectReleased = "ProjectReleased"
	// ReasonTokenRevoked: a credential was ended before its time, since a person asked for it. The message says what is known of nodes that hold it.
	ReasonTokenRevoked = "TokenRevoked"
	// ReasonNothingRevoked (warning): a person asked to have a credential ended, and there is none such that the operator could end.
	ReasonNothingRevoked = "NothingRevoked"
	// ReasonHostChanged (warning): the registry has another host than before. What names the old one has to be recreated.
	ReasonHostChanged = "HostChanged"
	// ReasonCAChanged: the Secrets carry another root certificate than before.
	ReasonCAChanged = "CAChanged"
	// ReasonRecordLost (warning): the operator's record of the EdgeRegistry is gone, and made again from what is found.
	ReasonRecordLost = "RecordLost"
	// ReasonLoginDelivered: the login in services of the Exchange was written, or nodes were notified to read it again.
	ReasonLoginDelivered = "LoginDelivered"
	// ReasonPushLoginFound (warning): a service in the Exchange held a login that may push, which every node could read. It was replaced there, and works on.
	ReasonPushLoginFound = "PushLoginFound"
	// ReasonServiceLeft: a service that holds the login in the Exchange has no image of this registry any more.
	ReasonServiceLeft = "ServiceLeft"
	// ReasonLoginWithdrawn: the EdgeRegistry is being deleted, and its logins were taken out of the Exchange.
	ReasonLoginWithdrawn = "LoginWithdrawn"
	// ReasonLoginLeftBehind (warning): the EdgeRegistry is being deleted, and its logins could not be taken out of the Exchange.
	ReasonLoginLeftBehind = "LoginLeftBehind"
	// ReasonRobotChanged (warning): somebody disabled, renamed or described otherwise a robot of Harbor that is in use.
	ReasonRobotChanged = "RobotChanged"
	// ReasonRobotsLeftBehind (warning): the EdgeRegistry is being deleted, and robots of Harbor that it made may work on. The event names them.
	ReasonRobotsLeftBehind = "RobotsLeftBehind"
	// ReasonNamespaceAccepted: a namespace is served in the place of another of its name, as it was accepted.
	ReasonNamespaceAccepted = "NamespaceAccepted"
)

// ForAnnotation is on what somebody else lets the operator use, such as an invitation, and names the EdgeRegistries that it is for,
// separated by commas. Without it, it is for none.
const ForAnnotation = "edge.open-horizon.io/for"

// Annotations that make the operator act: each new value is one request.
const (
	// RotateAnnotation mints new tokens. Its handled value is in status.lastHandledRotation.
	RotateAnnotation = "edge.open-horizon.io/rotate"
	// RevokeAnnotation ends one generation of a credential at once, after its successor is in place: ROLE/GENERATION as status.credentials has them, such as Puller/7. Its handled value is in status.lastHandledRevocation.
	RevokeAnnotation = "edge.open-horizon.io/revoke"
	// VerifyAnnotation tries both logins against the registry at once. Its handled value is in status.lastHandledVerification.
	VerifyAnnotation = "edge.open-horizon.io/verify"
	// AcceptAnnotation names namespaces that took the place of others of their names, as NAMESPACE/UID, separated by commas, and lets the operator serve them.
	AcceptAnnotation = "edge.open-horizon.io/accept"
	// AbandonAnnotation, set to true, lets a deletion go on without a server outside of the cluster that cannot be used. Without it the deletion waits for an hour.
	AbandonAnnotation = "edge.open-horizon.io/abandon"
	// ReconcileAnnotation makes the operator look at once, and ask the API server about both tokens.
	ReconcileAnnotation = "edge.open-horizon.io/reconcile"
)
