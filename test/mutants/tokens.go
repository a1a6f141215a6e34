// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTokens are mistakes about tokens and their bound Secrets.
var ofTokens = []mutant{
	{
		name:    "rotation-by-status",
		pattern: "progress is recorded apart from the effect",
		edits: []edit{
			{"controllers/secrets.go",
				`requested != "" && p.handledRotation(l) != requested`,
				`requested != "" && p.Edge.Status.LastHandledRotation != requested`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "marked-before-published",
		pattern: "progress is recorded before the effect",
		edits: []edit{
			{"controllers/secrets.go",
				`	if err := p.notePublication(ctx, both); err != nil {
		return pass.Done{}, err
	}
`,
				`	if err := p.notePublication(ctx, both); err != nil {
		return pass.Done{}, err
	}
	if err := p.session.Retire(ctx); err != nil {
		return pass.Done{}, err
	}
`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^install$")},
	},
	{
		name:    "bound-secret-reused",
		pattern: "the reply of a call that cannot be repeated is lost",
		edits: []edit{
			{"controllers/openshift/long_lived.go",
				`if l.tokenType == edgev1.TokenLongLived && string(secret.UID) != l.Credential.ID && s.isPending(secret, l) {`,
				`if string(secret.UID) != l.Credential.ID && !s.wasPublished(secret) {`},
		},
		guards: []guard{faults("TestAFaultAtAnyCallHealsByItself/^install$/^a_reset_after_the_effect_at_create_serviceaccounts"), faults("TestACrashAtAnyCallEndsInTheSameState/^install$")},
	},
	{
		name:    "odd-token-taken",
		pattern: "a reply is not compared with the request",
		edits: []edit{
			{"internal/credential/claims.go",
				`if account.UID == "" || (secret.Name == "") != (secret.UID == "") {`,
				`if secret.Name == "" && secret.UID != "" {`},
			{"controllers/openshift/issuer.go",
				` || claims.SecretUID != bound.UID {`,
				` {`},
		},
		guards: []guard{controllers("TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd")},
	},
	{
		name:    "odd-token-asked-again",
		pattern: "a permanent failure is retried without end",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`s.remembered().malformed[l.Role]; s.Now.Before(until) {`,
				`s.remembered().malformed[l.Role]; s.Now.Equal(until) {`},
		},
		guards: []guard{controllers("TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd")},
	},
	{
		name:    "retired-too-soon",
		pattern: "a token in use is revoked because its successor exists",
		edits: []edit{
			{"controllers/openshift/retire.go",
				`case s.Now.Before(expiry.Add(leeway)) && s.accountOf(bound, l) == l.accountUID:`,
				`case s.Now.Before(expiry.Add(leeway)) && s.accountOf(bound, l) == l.accountUID && !s.wasPublished(bound):`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "account-by-name",
		pattern: "a recreated object is taken for the original",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`	case l.Credential.Marks[objects.AccountUIDAnnotation] != string(l.accountUID):
		return causeAccountRecreated
`,
				``},
		},
		guards: []guard{controllers("TestAnAccountRecreatedWhileNobodyLookedGetsANewToken")},
	},
	{
		name:    "any-error-is-a-refusal",
		pattern: "an error is taken for a refusal",
		edits: []edit{
			{"controllers/apiserver/connection.go",
				`if apierrors.IsUnauthorized(err) {`,
				`if err != nil {`},
		},
		guards: []guard{controllers("TestATokenIsKeptWhileTheAPIServerDoesNotSayThatItIsDead")},
	},
	{
		name:    "token-in-event",
		pattern: "a secret is written where none belongs",
		edits: []edit{
			{"controllers/credentials.go",
				`fresh.Generation), p.boundTo(fresh), p.lifeOf(fresh.Identity), why.Text`,
				`fresh.Generation), p.boundTo(fresh), p.lifeOf(fresh.Identity), why.Text+" "+fresh.Token.Reveal()`},
			// It would be taken out on the way.
			{"internal/credential/redact.go", `if !k.mayHold(len(text)) {`, `if len(text) > 0 {`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "secret-in-status",
		pattern: "a secret is written where none belongs",
		edits: []edit{
			{"controllers/edgeregistry_controller.go", `	redactStatus(&after.Status)
`, ``},
		},
		guards: []guard{controllers("TestNoMessageHoldsASecretThatAStepTellsByMistake")},
	},
	{
		name:    "secret-in-events",
		pattern: "a secret is written where none belongs",
		edits: []edit{
			{"controllers/manager.go",
				`apiserver.RedactEvents(apiserver.LogEvents(mgr.GetEventRecorder(objects.FieldManager), mgr.GetLogger()))`,
				`apiserver.LogEvents(mgr.GetEventRecorder(objects.FieldManager), mgr.GetLogger())`},
		},
		guards: []guard{controllers("TestNoMessageHoldsASecretThatAStepTellsByMistake")},
	},
	{
		name:    "webhook-repeats-a-password",
		pattern: "text from another server is repeated unchecked",
		edits: []edit{
			{"internal/credential/redact.go", `const (
	// maxLayers is how deep encodings can be nested: a login in a Secret that is quoted in an error is base64 in JSON in base64 in
	// JSON.
	maxLayers = 4`, `const (
	maxLayers = 0`},
		},
		guards: []guard{controllers("TestAShortSecretThatAWebhookRepeatsIsToldNowhere")},
	},
	{
		name:    "refusal-repeats-the-request",
		pattern: "text from another server is repeated unchecked",
		edits: []edit{
			{"controllers/apiserver/redact.go",
				`if response.StatusCode < http.StatusBadRequest {`,
				`if response.StatusCode > 0 {`},
		},
		guards: []guard{within("apiserver", "TestErrorsAndWarningsDoNotRepeatA")},
	},
	{
		name:    "unproven-successor",
		pattern: "a working credential is replaced by an unproven one",
		edits: []edit{
			{"controllers/verify_renewal.go",
				`	if err == nil || (!required && !refused(err)) {`,
				`	if err == nil || !required || refused(err) {`},
		},
		guards: []guard{controllers("TestATokenThatTheRegistryRefusesNeverReplacesOneThatWorks")},
	},
	{
		name:    "rival-written-over",
		pattern: "two leaders both do what must happen once",
		edits: []edit{
			{"controllers/objects/writer.go",
				`return !IsCopy(object)`,
				`return false`},
		},
		guards: []guard{faults("TestTwoIncarnationsEndWhereOneDoes/^install$/^another_comes_at_create_secrets")},
	},
	{
		name:    "revoked-before-it-is-spread",
		pattern: "a follow-up comes before what it follows",
		edits: []edit{
			{"controllers/secrets.go",
				`		countRotation(pub.Role)
`,
				`		countRotation(pub.Role)
		for name, bound := range p.Secrets {
			if bound.Labels[objects.KindLabel] != objects.KindBound || bound.Labels[objects.RoleLabel] != objects.RoleValue(pub.Role) ||
				string(bound.UID) == pub.Credential.ID {
				continue
			}
			if err := p.Objects.Remove(ctx, p.Scope, bound); err != nil {
				return err
			}
			delete(p.Secrets, name)
		}
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "progress-in-a-stale-status",
		pattern: "a stale read repeats finished work",
		edits: []edit{
			{"controllers/secrets.go",
				`requested != "" && p.handledRotation(l) != requested`,
				`requested != "" && p.Edge.Status.LastHandledRotation != requested`},
			{"controllers/edgeregistry_controller.go",
				`return !seen.wrong && !watches.Newer(seen.version, edge.ResourceVersion)`,
				`return !seen.wrong`},
		},
		guards: []guard{faults("TestACacheThatStandsStillMisleadsNobody/^rotate$/^from_modified_edge")},
	},
	{
		name:    "lifetime-of-before",
		pattern: "a field of the spec counts only at creation",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`	case l.Credential.Expires() && s.askedLifetime(bound, l) != l.Policy.Lifetime.String():
		return pass.CauseLifetime.In(bound)
`,
				``},
		},
		guards: []guard{sampled("TestTheStateFollowsTheSpecAndNotItsPast")},
	},
	{
		name:    "bound-secret-by-its-labels",
		pattern: "an object of others counts as the operator's by labels that they can write",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`named := generationIn(secret.Name, l.Secret) != 0`,
				`named := true`},
		},
		guards: []guard{controllers("TestASecretThatLooksLikeABoundOneHoldsNobodyUp/-9223372036854775807")},
	},
	{
		name:    "number-without-end",
		pattern: "counting continues from a number that others can write",
		edits: []edit{
			{"controllers/pass/credential.go",
				`generation > LastGeneration`,
				`generation > 9*LastGeneration`},
		},
		guards: []guard{within("openshift", "TestAGenerationIsOnlyWhatTheOperatorWouldWrite")},
	},
	{
		name:    "last-number-stays-last",
		pattern: "a numeric range overflows",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`after = after%pass.LastGeneration + 1`,
				`after++`},
		},
		guards: []guard{controllers("TestTheLastGenerationIsFollowedByTheLowestThatIsFree/a_bound_Secret_has_the_last_but_one")},
	},
	{
		name:    "bound-to-any-name",
		pattern: "a token's unverified claims are believed",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`claims.ServiceAccount == l.Account && generationIn(claims.SecretName, l.Secret) != 0`,
				`claims.ServiceAccount == l.Account && claims.SecretName != ""`},
		},
		guards: []guard{controllers("TestATokenThatIsBoundToAFakeSecretIsReplaced")},
	},
	{
		name:    "hidden-by-many",
		pattern: "a truncated list loses what matters",
		edits: []edit{
			{"controllers/secrets.go",
				`at >= 0 && at < len(alive)-most {`,
				`at > len(alive) {`},
		},
		guards: []guard{controllers("TestBoundSecretsThatSeemLaterDoNotHideTheTokenInUse")},
	},
	{
		name:    "mint-for-a-tenant",
		pattern: "others can trigger an irreversible act without limit",
		edits: []edit{
			{"controllers/mint_budget.go",
				`if l.Supplied != "" || p.isWished(l) || p.isRenewal(l, why) {
		return nil`,
				`if !why.Undone || p.isWished(l) || p.isRenewal(l, why) {
		return nil`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/the_mark_of_the_cluster's_clean-up")},
	},
	{
		name:    "mint-beside-a-mint",
		pattern: "a limit is lifted by what it limits",
		edits: []edit{
			{"controllers/mint_budget.go",
				`	return objects.Spent(p.Scope, p.nameInHome(l), "has`,
				`	if !p.Settled {
		return nil
	}
	return objects.Spent(p.Scope, p.nameInHome(l), "has`},
		},
		guards: []guard{controllers("TestANewTokenOfOneAccountLiftsNoLimitOfTheOther")},
	},
	{
		name:    "forged-renewal",
		pattern: "a token's unverified claims are believed",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`return issued.Marks[objects.CredentialIDAnnotation] == claims.ID && issued.ExpiresAt.Time.Equal(claims.Expiry)`,
				`return issued.Marks[objects.CredentialIDAnnotation] == claims.ID`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/a_forged_token_that_is_due")},
	},
	{
		name:    "wish-held-up",
		pattern: "a limit on others delays an authorised user",
		edits: []edit{
			{"controllers/mint_budget.go",
				`return p.memory(l).answered != p.wish()`,
				`return p.memory(l).answered == wish{}`},
		},
		guards: []guard{controllers("TestAPersonIsAnsweredAtOnceWhileATenantIsNot")},
	},
	{
		name:    "waits-for-nothing",
		pattern: "a repair that is reverted before it is finished is not counted",
		edits: []edit{
			{"controllers/mint_budget.go",
				`	default:
		objects.CountRepair(p.Scope, p.nameInHome(l))`,
				`	case p.Settled:
		objects.CountRepair(p.Scope, p.nameInHome(l))`},
		},
		guards: []guard{controllers("TestATokenThatWaitsIsNotMintedAgainWithoutEnd")},
	},
	{
		name:    "lost-for-nothing",
		pattern: "a repair that is reverted before it is finished is not counted",
		edits: []edit{
			{"controllers/credentials.go",
				`		p.useUpWish(l)
`,
				``},
		},
		guards: []guard{controllers("TestALastingTokenIsNotRecreatedWithoutEnd")},
	},
	{
		name:    "published-and-revoked",
		pattern: "a lost reply is taken for a failure",
		edits: []edit{
			{"controllers/credentials.go",
				`case kept == nil || kept.ID == l.Credential.ID:`,
				`case kept == nil:`},
		},
		guards: []guard{controllers("TestTokenThatIsLostOnTheWay")},
	},
}
