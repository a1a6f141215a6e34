// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofConsent are mistakes by which the operator acts for somebody who has no right to ask it.
var ofConsent = []mutant{
	{
		name:    "invitation-for-everybody",
		pattern: "a permission granted to one object is used by another",
		edits: []edit{
			{"controllers/consent/invitation.go",
				`if slices.Contains(names(binding), edge) {`,
				`if edge != "" {`},
		},
		guards: []guard{controllers("TestAnInvitationAdmitsOnlyTheEdgeRegistriesThatItNames")},
	},
	{
		name:    "invitation-without-a-name",
		pattern: "what a permission does not mention is allowed",
		edits: []edit{
			{"controllers/consent/invitation.go",
				`if slices.Contains(names(binding), edge) {`,
				`if slices.Contains(names(binding), edge) || len(names(binding)) == 0 {`},
		},
		guards: []guard{controllers("TestAnInvitationWithoutANameIsForNobody")},
	},
	{
		name:    "project-by-its-account",
		pattern: "ownership is proven by what tenants can write",
		edits: []edit{
			{"controllers/openshift/project.go",
				`if (!known || before != namespace.UID) && !strings.Contains(namespace.Annotations[descriptionAnnotation], ownerMark(s.Edge.Name, s.Edge.UID)) {`,
				`account := &corev1.ServiceAccount{}
	err := s.Get(context.Background(), client.ObjectKey{Namespace: s.Home.Namespace, Name: s.publisher.Account}, account)
	if (!known || before != namespace.UID) && !strings.Contains(namespace.Annotations[descriptionAnnotation], ownerMark(s.Edge.Name, s.Edge.UID)) && (err != nil || !objects.OwnedBy(account, s.Edge.UID)) {`},
		},
		guards: []guard{controllers("TestAServiceAccountThatNamesItsOwnerProvesNothing")},
	},
	{
		name:    "namespace-by-its-name",
		pattern: "a recreated object is taken for the earlier one of its name",
		edits: []edit{
			{"controllers/consent/namespace.go",
				`|| before == uid || accepts(s.Edge, namespace, uid) {`,
				`|| before != "" || accepts(s.Edge, namespace, uid) {`},
		},
		guards: []guard{controllers("TestANamespaceThatWasMadeAgainGetsNothingUntilItIsAccepted")},
	},
	{
		name:    "accepted-for-another",
		pattern: "one side's word stands for the other's consent",
		edits: []edit{
			{"controllers/openshift/project.go",
				`	if (!known || before != namespace.UID) && !strings`,
				`	if (!known || before != namespace.UID && namespace.UID == "") && !strings`},
		},
		guards: []guard{controllers("TestAProjectThatWasRequestedForAnotherIsNotAccepted")},
	},
	{
		name:    "accepted-by-name",
		pattern: "a confirmation covers more than what was confirmed",
		edits: []edit{
			{"controllers/consent/namespace.go",
				`slices.Contains(listed(edge.Annotations[edgev1.AcceptAnnotation]), namespace+"/"+string(uid))`,
				`slices.ContainsFunc(listed(edge.Annotations[edgev1.AcceptAnnotation]), func(entry string) bool { return entry[:1] == namespace[:1] })`},
		},
		guards: []guard{within("consent", "TestWhichNamespaceIsTheSame")},
	},
	{
		name:    "copies-where-it-can",
		pattern: "having access is taken for having consent",
		edits: []edit{
			{"controllers/namespace.go",
				`	if !invitation.Valid {
		return consentSeen{}`,
				`	if name == "" {
		return consentSeen{}`},
		},
		guards: []guard{controllers("TestCopiesGoIntoNoProjectThatDidNotInviteThem")},
	},
	{
		name:    "known-copy-proves-its-namespace",
		pattern: "ownership is proven by what tenants can write",
		edits: []edit{
			{"controllers/namespace.go",
				`	found, err := p.consentedCopy(ctx, job.namespace, known)
`,
				`	if known {
		return nil
	}
	found, err := p.consentedCopy(ctx, job.namespace, known)
`},
		},
		guards: []guard{controllers("TestACopyThatWasPutIntoANamespaceMadeAgainGetsNoNewToken")},
	},
	{
		name:    "lost-record-trusts-names",
		pattern: "a restore leaves less security than there was",
		edits: []edit{
			{"controllers/record.go",
				`record.Serve(namespace, "")`,
				`_ = namespace`},
		},
		guards: []guard{controllers("TestALostRecordIsMadeAgainOnTheSafeSide/a_target_that_holds_another_token")},
	},
	{
		name:    "record-after-publication",
		pattern: "an irreversible act comes before its record",
		edits: []edit{
			{"controllers/record.go",
				`	return p.storeRecord(ctx, p.Scope, kept)
`,
				`	return ctx.Err()
`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^rotate$"), controllers("TestARecordHoldsWhatWasDoneAndNoToken")},
	},
	{
		name:    "token-off-the-record",
		pattern: "data that others put into a Secret is taken for the operator's",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`	case !s.Record.Lost:
		return false
`,
				``},
		},
		guards: []guard{controllers("TestARecordThatIsOldHasTheTokensReplacedOnce")},
	},
	{
		name:    "labelled-secrets-whole",
		pattern: "tenants decide how much the operator reads",
		edits: []edit{
			{"controllers/openshift/secrets.go",
				`	if !whole {`,
				`	if !whole && name == "" {`},
		},
		guards: []guard{controllers("TestSecretsOfOthersWithOurLabelAreNotReadWhole")},
	},
	{
		name:    "absent-asked-at-once",
		pattern: "a server that does not answer is asked without end",
		edits: []edit{
			{"controllers/consent/pauses.go",
				`pause.next = min(2*pause.next, MostPause)`,
				`pause.next = FirstPause`},
		},
		guards: []guard{controllers("TestTargetsThatAreAbsentAreAskedAfterGrowingPauses")},
	},
	{
		name:    "copies-hold-deletion",
		pattern: "a deletion waits for what others can block",
		edits: []edit{
			{"controllers/objects/writer.go",
				`desired.GetNamespace() == s.Home.Namespace)`,
				`desired.GetNamespace() != "")`},
		},
		guards: []guard{controllers("TestAFinalizerOnACopyHoldsNoDeletionUp")},
	},
	{
		name:    "route-of-another",
		pattern: "one acceptance outweighs a refusal",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`if !claimed.Has(strings.ToLower(ingress.Host)) {`,
				`if strings.ToLower(ingress.Host) != "" {`},
		},
		guards: []guard{within("openshift", "TestTheHostIsTheOneThatARouterAdmitted")},
	},
	{
		name:    "pusher-gets-a-token",
		pattern: "what is sent is checked after it was sent",
		edits: []edit{
			{"controllers/openshift/access.go",
				`if !review.Status.Allowed {`,
				`if review.Status.EvaluationError == "" {`},
		},
		guards: []guard{controllers("TestAPullerThatMayPushGetsNoToken")},
	},
	{
		name:    "witness-for-ever",
		pattern: "an earlier answer is taken for a current one",
		edits: []edit{
			{"controllers/namespace.go",
				`!wanted.Has(namespace) || news.Has(namespace)`,
				`!wanted.Has(namespace)`},
		},
		guards: []guard{controllers("TestATargetIsReadAgainWhereItMayBeAnother")},
	},
	{
		name:    "any-invitation-is-a-witness",
		pattern: "an object of the same name is taken for the same object",
		edits: []edit{
			{"controllers/namespace.go",
				`invitation.UID == before.invitation && before.invitation != ""`,
				`before.invitation != ""`},
		},
		guards: []guard{controllers("TestATargetIsReadAgainWhereItMayBeAnother")},
	},
	{
		name:    "lost-events-are-no-news",
		pattern: "a lost event counts as no event",
		edits: []edit{
			{"controllers/watches/triggers.go",
				`each.news = true`,
				`_ = each`},
		},
		guards: []guard{within("watches", "TestTakeNews")},
	},
	{
		name:    "revocation-waits-untold",
		pattern: "a pending request is not reported",
		edits: []edit{
			{"controllers/revoke.go",
				`		waits(result, p.Record.Revoking.Asked)`,
				`		_ = waits`},
		},
		guards: []guard{controllers("TestARevocationThatANamespaceHoldsUpIsTold")},
	},
	{
		name:    "listed-is-all-that-works",
		pattern: "what a tenant can write is believed",
		edits: []edit{
			{"controllers/revoke.go",
				`at < 0 && issued != nil &&`,
				`at < -1 && issued != nil &&`},
		},
		guards: []guard{controllers("TestADisguisedBoundSecretEndsWithItsRevocation/without_labels"), controllers("TestARevocationWaitsForAHarborThatIsAway")},
	},
	{
		name:    "revoked-if-it-is-marked",
		pattern: "what a tenant can write is believed",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`s.Objects.ReadSecret(ctx, s.Home.Namespace, name)`,
				`s.Objects.OwnSecret(ctx, s.Scope, name)`},
		},
		guards: []guard{controllers("TestADisguisedBoundSecretEndsWithItsRevocation/without_anything")},
	},
	{
		name:    "deleted-if-it-is-marked",
		pattern: "a deletion goes by marks that a tenant can remove",
		edits: []edit{
			{"controllers/openshift/revoke.go",
				` && s.onRecord(secret) == nil`,
				``},
		},
		guards: []guard{controllers("TestADisguisedBoundSecretEndsWithItsEdgeRegistry")},
	},
}
