// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTokens are mistakes about tokens and their bound Secrets.
var ofTokens = []mutant{
	{
		name:    "rotation-by-status",
		pattern: "the progress is recorded apart from the effect",
		edits: []edit{
			{"controllers/secrets.go",
				`requested != "" && p.handledRotation(l) != requested`,
				`requested != "" && p.Edge.Status.LastHandledRotation != requested`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "marked-before-published",
		pattern: "the progress is recorded before the effect",
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
		pattern: "what an API answers is taken for what was asked",
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
		pattern: "what fails for good is tried again without end",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`s.remembered().odd[l.Role]; s.Now.Before(until) {`,
				`s.remembered().odd[l.Role]; s.Now.Equal(until) {`},
		},
		guards: []guard{controllers("TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd")},
	},
	{
		name:    "retired-too-soon",
		pattern: "what consumers still use is taken away with its successor",
		edits: []edit{
			{"controllers/openshift/retire.go",
				`case s.Now.Before(expiry.Add(leeway)) && s.accountOf(bound, l) == l.accountUID:`,
				`case s.Now.Before(expiry.Add(leeway)) && s.accountOf(bound, l) == l.accountUID && !s.wasPublished(bound):`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "account-by-name",
		pattern: "a thing that was recreated is taken for the one before",
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
		pattern: "an error is taken for the answer no",
		edits: []edit{
			{"controllers/apiserver/connection.go",
				`if apierrors.IsUnauthorized(err) {`,
				`if err != nil {`},
		},
		guards: []guard{controllers("TestATokenIsKeptWhileTheAPIServerDoesNotSayThatItIsDead")},
	},
	{
		name:    "token-in-event",
		pattern: "a secret is told where none belongs",
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
		pattern: "a secret is told where none belongs",
		edits: []edit{
			{"controllers/edgeregistry_controller.go", `	redactStatus(&after.Status)
`, ``},
		},
		guards: []guard{controllers("TestNoMessageHoldsASecretThatAStepTellsByMistake")},
	},
	{
		name:    "secret-in-events",
		pattern: "a secret is told where none belongs",
		edits: []edit{
			{"controllers/manager.go",
				`apiserver.RedactEvents(mgr.GetEventRecorder(objects.FieldManager))`,
				`mgr.GetEventRecorder(objects.FieldManager)`},
		},
		guards: []guard{controllers("TestNoMessageHoldsASecretThatAStepTellsByMistake")},
	},
	{
		name:    "webhook-repeats-a-password",
		pattern: "what others say is told unseen",
		edits: []edit{
			{"internal/credential/redact.go", `const (
	// maxLayers is how deep one encoding may lie in another: the login in a Secret that is quoted in an error is base64 in
	// JSON in base64 in JSON.
	maxLayers = 4`, `const (
	maxLayers = 0`},
		},
		guards: []guard{controllers("TestAShortSecretThatAWebhookRepeatsIsToldNowhere")},
	},
	{
		name:    "refusal-repeats-the-request",
		pattern: "what others say is told unseen",
		edits: []edit{
			{"controllers/apiserver/redact.go",
				`if response.StatusCode < http.StatusBadRequest {`,
				`if response.StatusCode > 0 {`},
		},
		guards: []guard{faults("TestATokenInHandShowsNowhere/^install$/^forbidden")},
	},
	{
		name:    "unproven-successor",
		pattern: "a thing that works is given up for one that may not",
		edits: []edit{
			{"controllers/verify_renewal.go",
				`	if err == nil || (!required && !refused(err)) {`,
				`	if err == nil || !required || refused(err) {`},
		},
		guards: []guard{controllers("TestATokenThatTheRegistryRefusesNeverReplacesOneThatWorks")},
	},
	{
		name:    "rival-written-over",
		pattern: "each of two leaders does what is to be done once",
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
		pattern: "a stale read has done again what is done",
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
		pattern: "a field of the spec counts at the first time alone",
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
		pattern: "what belongs to others is taken for the operator's own by marks that they can write",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`named := generationIn(secret.Name, l.Secret) != 0`,
				`named := true`},
		},
		guards: []guard{controllers("TestASecretThatLooksLikeABoundOneHoldsNobodyUp/-9223372036854775807")},
	},
	{
		name:    "number-without-end",
		pattern: "a number that others can write is counted on from",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`generation < 1 || generation > lastGeneration || name`,
				`generation < 1 || name`},
		},
		guards: []guard{within("openshift", "TestAGenerationIsOnlyWhatTheOperatorWouldWrite")},
	},
	{
		name:    "last-number-stays-last",
		pattern: "a range of numbers ends",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`after = after%lastGeneration + 1`,
				`after++`},
		},
		guards: []guard{controllers("TestTheLastGenerationIsFollowedByTheLowestThatIsFree/a_bound_Secret_has_the_last_but_one")},
	},
	{
		name:    "bound-to-any-name",
		pattern: "what a token says of itself is believed",
		edits: []edit{
			{"controllers/openshift/issuer.go",
				`claims.ServiceAccount == l.Account && generationIn(claims.SecretName, l.Secret) != 0`,
				`claims.ServiceAccount == l.Account && claims.SecretName != ""`},
		},
		guards: []guard{controllers("TestATokenThatIsBoundToAFakeSecretIsReplaced")},
	},
	{
		name:    "hidden-by-many",
		pattern: "a list that is cut off loses what matters",
		edits: []edit{
			{"controllers/secrets.go",
				`at >= 0 && at < len(alive)-most {`,
				`at > len(alive) {`},
		},
		guards: []guard{controllers("TestBoundSecretsThatSeemLaterDoNotHideTheTokenInUse")},
	},
	{
		name:    "mint-for-a-tenant",
		pattern: "what cannot be undone is done as often as others ask for it",
		edits: []edit{
			{"controllers/mint_budget.go",
				`if l.Supplied != "" || p.isWished(l) || p.isRenewal(l, why) {
		return nil`,
				`if !why.Undone || p.isWished(l) || p.isRenewal(l, why) {
		return nil`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/another_host_in_the_Secret")},
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
		pattern: "what a token says of itself is believed",
		edits: []edit{
			{"controllers/mint_budget.go",
				`why.Name == pass.CauseDue.Name && l.Credential.Identity == p.memory(l).minted`,
				`why.Name == pass.CauseDue.Name`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/a_forged_token_that_is_due")},
	},
	{
		name:    "wish-held-up",
		pattern: "a limit for others holds up who may ask",
		edits: []edit{
			{"controllers/mint_budget.go",
				`return p.memory(l).answered != p.wish()`,
				`return p.memory(l).answered == wish{}`},
		},
		guards: []guard{controllers("TestAPersonIsAnsweredAtOnceWhileATenantIsNot")},
	},
	{
		name:    "waits-for-nothing",
		pattern: "what is undone before it is finished is not counted",
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
		pattern: "what is undone before it is finished is not counted",
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
		pattern: "an answer that is lost is taken for a failure",
		edits: []edit{
			{"controllers/credentials.go",
				`case kept == nil || kept.ID == l.Credential.ID:`,
				`case kept == nil:`},
		},
		guards: []guard{controllers("TestTokenThatIsLostOnTheWay")},
	},
}
