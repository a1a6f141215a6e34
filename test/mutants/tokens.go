// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTokens are mistakes about tokens and their anchors.
var ofTokens = []mutant{
	{
		name:    "rotation-by-status",
		pattern: "the progress is recorded apart from the effect",
		edits: []edit{
			{"controllers/tokens.go",
				`requested != "" && published.Annotations[rotationAnnotation] != requested`,
				`requested != "" && s.edge.Status.LastHandledRotation != requested`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "marked-before-published",
		pattern: "the progress is recorded before the effect",
		edits: []edit{
			{"controllers/secrets.go",
				`	r.planCopies(ctx, s, both)
`,
				`	r.planCopies(ctx, s, both)
	if err := r.settleAnchors(ctx, s); err != nil {
		return done{}, err
	}
`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^install$")},
	},
	{
		name:    "anchor-reused",
		pattern: "the reply of a call that cannot be repeated is lost",
		edits: []edit{
			{"controllers/mint.go",
				`if l.tokenType() == edgev1.TokenLongLived && anchor.UID != l.token.claims.AnchorUID && isPending(anchor, l) {`,
				`if anchor.UID != l.token.claims.AnchorUID && !wasPublished(anchor) {`},
			{"controllers/anchors.go",
				`if needed && l.tokenType() == edgev1.TokenLongLived && isPending(anchor, l) {`,
				`if needed {`},
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
			{"controllers/mint.go",
				` || claims.AnchorUID != anchor.UID {`,
				` {`},
		},
		guards: []guard{controllers("TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd")},
	},
	{
		name:    "odd-token-asked-again",
		pattern: "what fails for good is tried again without end",
		edits: []edit{
			{"controllers/mint.go",
				`r.recall(s, l).oddUntil; s.now.Before(until) {`,
				`r.recall(s, l).oddUntil; s.now.Equal(until) {`},
		},
		guards: []guard{controllers("TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd")},
	},
	{
		name:    "retired-too-soon",
		pattern: "what consumers still use is taken away with its successor",
		edits: []edit{
			{"controllers/anchors.go",
				`case s.now.Before(expiry.Add(leeway)) && accountOf(anchor, l) == l.accountUID:`,
				`case s.now.Before(expiry.Add(leeway)) && accountOf(anchor, l) == l.accountUID && !wasPublished(anchor):`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "account-by-name",
		pattern: "a thing that was made anew is taken for the one before",
		edits: []edit{
			{"controllers/tokens.go",
				`	if current.claims.ServiceAccountUID != l.accountUID {
		return causeAccountAnew, nil
	}
`,
				``},
		},
		guards: []guard{controllers("TestAnAccountMadeAnewWhileNobodyLookedGetsANewToken")},
	},
	{
		name:    "any-error-is-a-refusal",
		pattern: "an error is taken for the answer no",
		edits: []edit{
			{"controllers/liveness.go",
				`if apierrors.IsUnauthorized(err) {`,
				`if err != nil {`},
		},
		guards: []guard{controllers("TestATokenIsKeptWhileTheAPIServerDoesNotSayThatItIsDead")},
	},
	{
		name:    "token-in-event",
		pattern: "a secret is told where none belongs",
		edits: []edit{
			{"controllers/mint.go",
				`fresh.generation, lifeOf(fresh.claims), why.text`,
				`fresh.generation, lifeOf(fresh.claims), why.text+" "+fresh.Reveal()`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "refusal-repeats-the-request",
		pattern: "what others say is told unseen",
		edits: []edit{
			{"controllers/repeats.go",
				`if response.StatusCode < http.StatusBadRequest {`,
				`if response.StatusCode > 0 {`},
		},
		guards: []guard{faults("TestATokenInHandShowsNowhere/^install$/^forbidden")},
	},
	{
		name:    "unproven-successor",
		pattern: "a thing that works is given up for one that may not",
		edits: []edit{
			{"controllers/proof.go",
				`	if err == nil || (!required && !refused(err)) {`,
				`	if err == nil || !required || refused(err) {`},
		},
		guards: []guard{controllers("TestATokenThatTheRegistryRefusesNeverReplacesOneThatWorks")},
	},
	{
		name:    "rival-written-over",
		pattern: "each of two leaders does what is to be done once",
		edits: []edit{
			{"controllers/ensure.go",
				`return !isCopy(object)`,
				`return false`},
		},
		guards: []guard{faults("TestTwoIncarnationsEndWhereOneDoes/^install$/^another_comes_at_create_secrets")},
	},
	{
		name:    "revoked-before-it-is-spread",
		pattern: "a follow-up comes before what it follows",
		edits: []edit{
			{"controllers/secrets.go",
				`		countRotation(p.role)
`,
				`		countRotation(p.role)
		for _, anchor := range s.anchors(p.login) {
			if anchor.UID == p.token.claims.AnchorUID {
				continue
			}
			if err := r.remove(ctx, s, anchor); err != nil {
				return err
			}
			delete(s.live.secrets, anchor.Name)
		}
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^rotate$")},
	},
	{
		name:    "progress-in-a-stale-status",
		pattern: "a stale read has done again what is done",
		edits: []edit{
			{"controllers/tokens.go",
				`requested != "" && published.Annotations[rotationAnnotation] != requested`,
				`requested != "" && s.edge.Status.LastHandledRotation != requested`},
			{"controllers/edgeregistry_controller.go",
				`return seen != "" && !newer(seen.(string), edge.ResourceVersion)`,
				`return seen != ""`},
		},
		guards: []guard{faults("TestACacheThatStandsStillMisleadsNobody/^rotate$/^from_modified_edge")},
	},
	{
		name:    "lifetime-of-before",
		pattern: "a field of the spec counts at the first time alone",
		edits: []edit{
			{"controllers/tokens.go",
				`	case expires && askedLifetime(anchor, l) != l.policy.Lifetime.Duration.String():
		return causeLifetime
`,
				``},
		},
		guards: []guard{sampled("TestTheStateFollowsTheSpecAndNotItsPast")},
	},
	{
		name:    "anchor-by-its-labels",
		pattern: "what belongs to others is taken for the operator's own by marks that they can write",
		edits: []edit{
			{"controllers/anchors.go",
				`named := generationIn(secret.Name, l.secret) != 0`,
				`named := true`},
		},
		guards: []guard{controllers("TestASecretThatLooksLikeAnAnchorHoldsNobodyUp/-9223372036854775807")},
	},
	{
		name:    "number-without-end",
		pattern: "a number that others can write is counted on from",
		edits: []edit{
			{"controllers/anchors.go",
				`generation < 1 || generation > lastGeneration || name`,
				`generation < 1 || name`},
		},
		guards: []guard{controllers("TestAGenerationIsOnlyWhatTheOperatorWouldWrite")},
	},
	{
		name:    "last-number-stays-last",
		pattern: "a range of numbers ends",
		edits: []edit{
			{"controllers/anchors.go",
				`after = after%lastGeneration + 1`,
				`after++`},
		},
		guards: []guard{controllers("TestTheLastGenerationIsFollowedByTheLowestThatIsFree/an_anchor_has_the_last_but_one")},
	},
	{
		name:    "bound-to-any-name",
		pattern: "what a token says of itself is believed",
		edits: []edit{
			{"controllers/tokens.go",
				`claims.ServiceAccount == l.account && generationIn(claims.AnchorName, l.secret) != 0`,
				`claims.ServiceAccount == l.account && claims.AnchorName != ""`},
		},
		guards: []guard{controllers("TestATokenThatIsBoundToAFakeAnchorIsReplaced")},
	},
	{
		name:    "hidden-by-many",
		pattern: "a list that is cut off loses what matters",
		edits: []edit{
			{"controllers/tokens_status.go",
				`if anchor.UID == l.token.claims.AnchorUID && i < len(all)-maxListed {`,
				`if i > len(all) {`},
		},
		guards: []guard{controllers("TestAnchorsThatSeemLaterDoNotHideTheTokenInUse")},
	},
	{
		name:    "mint-for-a-tenant",
		pattern: "what cannot be undone is done as often as others ask for it",
		edits: []edit{
			{"controllers/rivals.go",
				`if r.isWished(s, l) || r.isRenewal(s, l, why) {
		return nil`,
				`if !why.undone || r.isWished(s, l) || r.isRenewal(s, l, why) {
		return nil`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/another_host_in_the_Secret")},
	},
	{
		name:    "mint-beside-a-mint",
		pattern: "a limit is lifted by what it limits",
		edits: []edit{
			{"controllers/rivals.go",
				`return r.spent(s, tokenName(s, l), "has`,
				`return r.contested(s, tokenName(s, l), "has`},
		},
		guards: []guard{controllers("TestANewTokenOfOneAccountLiftsNoLimitOfTheOther")},
	},
	{
		name:    "forged-renewal",
		pattern: "what a token says of itself is believed",
		edits: []edit{
			{"controllers/rivals.go",
				`why.name == causeDue.name && l.token.claims == r.recall(s, l).minted`,
				`why.name == causeDue.name`},
		},
		guards: []guard{controllers("TestATenantHasNoTokensMintedWithoutEnd/a_forged_token_that_is_due")},
	},
	{
		name:    "wish-held-up",
		pattern: "a limit for others holds up who may ask",
		edits: []edit{
			{"controllers/rivals.go",
				`return r.recall(s, l).answered != s.wish()`,
				`return r.recall(s, l).answered == wish{}`},
		},
		guards: []guard{controllers("TestAPersonIsAnsweredAtOnceWhileATenantIsNot")},
	},
	{
		name:    "waits-for-nothing",
		pattern: "what is undone before it is finished is not counted",
		edits: []edit{
			{"controllers/rivals.go",
				`	default:
		r.countRepair(s, tokenName(s, l))`,
				`	case s.established:
		r.countRepair(s, tokenName(s, l))`},
		},
		guards: []guard{controllers("TestATokenThatWaitsIsNotMintedAnewWithoutEnd")},
	},
	{
		name:    "lost-for-nothing",
		pattern: "what is undone before it is finished is not counted",
		edits: []edit{
			{"controllers/longlived.go",
				`		r.useUpWish(s, l)
`,
				``},
		},
		guards: []guard{controllers("TestALastingTokenIsNotMadeAnewWithoutEnd")},
	},
}
