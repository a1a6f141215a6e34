// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTheExchange are mistakes about logins that are brought to an Exchange.
var ofTheExchange = []mutant{
	{
		name:    "touch-forgotten",
		pattern: "what was written reaches nobody who reads a copy of it",
		edits: []edit{
			{"internal/exchange/plan.go",
				`		return !ours.Updated.Before(s.Updated)`,
				`		return wrote && !ours.Updated.Before(s.Updated) && s.Updated.IsZero()`},
		},
		guards: []guard{controllers("TestARenewedTokenReachesANodeThatRuns")},
	},
	{
		name:    "claims-without-a-signature",
		pattern: "what anybody can write is taken for proof",
		edits: []edit{
			{"controllers/openshift/whose.go",
				`		if err != nil || !signed {`,
				`		if err != nil {`},
			{"controllers/openshift/whose.go",
				`		signed, err := s.isSigned(ctx, token)`,
				`		_, err := s.isSigned(ctx, token)`},
		},
		guards: []guard{controllers("TestWhoseAnEntryIsTheTokenTells")},
	},
	{
		name:    "clone-taken-for-ours",
		pattern: "two who were one are not told apart",
		edits: []edit{
			{"controllers/openshift/whose.go",
				`		return exchange.Contested
	case l.Role`,
				`		return exchange.Puller
	case l.Role`},
		},
		guards: []guard{controllers("TestWhoseAnEntryIsTheTokenTells")},
	},
	{
		name:    "prefix-of-another",
		pattern: "paths are compared by letters and not by segments",
		edits: []edit{
			{"internal/exchange/images.go",
				`strings.HasPrefix(path, prefix+"/")`,
				`strings.HasPrefix(path, prefix)`},
		},
		guards: []guard{controllers("TestWhoseAnEntryIsTheTokenTells")},
	},
	{
		name:    "lowest-entry-left",
		pattern: "of several that fit the first is taken",
		edits: []edit{
			{"internal/exchange/plan.go",
				`		case f.Class.ours() && p.Ours == nil:`,
				`		case f.Class.ours() && p.Ours == nil && f.Class == Current:`},
		},
		guards: []guard{controllers("TestARenewedTokenReachesANodeThatRuns")},
	},
	{
		name:    "exchange-for-anybody",
		pattern: "a right that was given for one is used for another",
		edits: []edit{
			{"controllers/objects/supplied.go",
				`	case !slices.Contains(Listed(secret, edgev1.ForAnnotation), edge):`,
				`	case !slices.Contains(append(Listed(secret, edgev1.ForAnnotation), edge), edge):`},
		},
		guards: []guard{controllers("TestWhatIsWrongWithTheSecretOfTheExchange")},
	},
	{
		name:    "refused-login-delivered",
		pattern: "a step goes on with what the one before it refused",
		edits: []edit{
			{"controllers/verify.go",
				`		b.CarryOn = !slices.Contains(notForNodes, b.Reason)`,
				`		b.CarryOn = len(notForNodes) > 0 || slices.Contains(notForNodes, b.Reason)`},
		},
		guards: []guard{controllers("TestTheRegistryIsNotNeededForADelivery")},
	},
	{
		name:    "withdrawn-though-supplied",
		pattern: "a deletion takes what it did not make",
		edits: []edit{
			{"controllers/delivery/withdraw.go",
				` || r.Puller.Supplied != "" || `,
				` || `},
		},
		guards: []guard{controllers("TestASuppliedLoginReachesTheExchangeAndStays")},
	},
	{
		name:    "deletion-waits-for-ever",
		pattern: "what others can hold is waited for",
		edits: []edit{
			{"controllers/pass/abandon.go",
				`	if !s.Now.Before(until) || s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {`,
				`	if s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {`},
		},
		guards: []guard{controllers("TestDeletionTakesTheLoginsOutOfTheExchange")},
	},
	{
		name:    "confirmed-by-an-old-touch",
		pattern: "a sign of life is taken for proof of what was said long before it",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	return t.since.Before(changed.Add(touchLife))`,
				`	return !t.since.IsZero() || t.since.Before(changed.Add(touchLife))`},
		},
		guards: []guard{ofExchange("TestTheOperatorStandsStillWhileANodeIsSilent"), controllers("TestAnotherProcessTellsANodeThatMissedTheTouch")},
	},
	{
		name:    "confirmed-to-a-plain-user",
		pattern: "what somebody sees of a list is taken for the whole of it",
		edits: []edit{
			{"internal/exchange/look.go",
				`	if !s.admin {`,
				`	if !s.admin && len(s.nodes) == 0 {`},
		},
		guards: []guard{ofExchange("TestToAUserWhoSeesOnlySomeNoNodeIsConfirmed"), controllers("TestAPlainUserIsToldThatNothingIsProven")},
	},
	{
		name:    "missed-touch-never-repeated",
		pattern: "what was said once is taken for heard",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	case asking && age >= max(touchLife, life/share):`,
				`	case asking && age >= max(touchLife, life/share) && life < 0:`},
		},
		guards: []guard{ofExchange("TestANodeThatWasSilentIsToldOnceItAsks"), controllers("TestAnotherProcessTellsANodeThatMissedTheTouch")},
	},
	{
		name:    "touches-without-a-budget",
		pattern: "what others can cause is done as often as they cause it",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	case asking && age >= max(touchLife, life/share):`,
				`	case asking && age >= min(lookAgain, life/share):`},
		},
		guards: []guard{ofExchange("TestTouchesHaveABudget")},
	},
	{
		name:    "older-copy-believed",
		pattern: "what was true before a restore is taken for true after it",
		edits: []edit{
			{"internal/exchange/audience.go",
				`	a.restored, a.tracks = true, map[string]track{}`,
				`	a.restored, a.tracks = a.restored, map[string]track{}`},
		},
		guards: []guard{ofExchange("TestAnExchangeThatIsAnOlderCopyProvesNothing")},
	},
	{
		name:    "revoked-before-it-is-followed",
		pattern: "the old goes before the new is there",
		edits: []edit{
			{"controllers/revoke.go",
				`	case l.Alive[at].Current:
		// Its`,
				`	case !l.Alive[at].Current && l.Role == "":
		// Its`},
		},
		guards: []guard{controllers("TestNothingIsRevokedBeforeAnotherIsProven")},
	},
	{
		name:    "revocation-forgotten-in-a-crash",
		pattern: "what was begun is not known after a restart",
		edits: []edit{
			{"controllers/revoke.go",
				`	p.Record.Revoking.Begun = true
`,
				``},
		},
		guards: []guard{controllers("TestARevocationBearsACrashAtEachWrite")},
	},
	{
		name:    "nothing-known-is-nobody-late",
		pattern: "what is not known yet is taken for none",
		edits: []edit{
			{"controllers/pass/nodes.go",
				`	return s.Nodes.Generation != l.Credential.Generation || s.Nodes.behind() > 0`,
				`	return s.Nodes.behind() > 0`},
		},
		guards: []guard{within("pass", "TestWhichLoginsNodesNeed"), controllers("TestAfterARestartALoginIsLeftUntilNodesWereLookedAt")},
	},
}
