// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTheExchange are mistakes about logins that are brought to an Exchange.
var ofTheExchange = []mutant{
	{
		name:    "touch-forgotten",
		pattern: "a write does not reach readers of a cached copy",
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
		pattern: "a clone is not distinguished from the original",
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
		pattern: "paths are compared by characters instead of segments",
		edits: []edit{
			{"internal/exchange/images.go",
				`strings.HasPrefix(path, prefix+"/")`,
				`strings.HasPrefix(path, prefix)`},
		},
		guards: []guard{controllers("TestWhoseAnEntryIsTheTokenTells")},
	},
	{
		name:    "lowest-entry-left",
		pattern: "of several matches the first is taken",
		edits: []edit{
			{"internal/exchange/plan.go",
				`		case f.Class.ours() && p.Ours == nil:`,
				`		case f.Class.ours() && p.Ours == nil && f.Class == Current:`},
		},
		guards: []guard{controllers("TestARenewedTokenReachesANodeThatRuns")},
	},
	{
		name:    "exchange-for-anybody",
		pattern: "a permission granted to one object is used by another",
		edits: []edit{
			{"controllers/objects/supplied.go",
				`	case !slices.Contains(Listed(secret, edgev1.ForAnnotation), edge):`,
				`	case !slices.Contains(append(Listed(secret, edgev1.ForAnnotation), edge), edge):`},
		},
		guards: []guard{controllers("TestWhatIsWrongWithTheSecretOfTheExchange")},
	},
	{
		name:    "refused-login-delivered",
		pattern: "a step uses what an earlier step refused",
		edits: []edit{
			{"controllers/verify.go",
				`		b.CarryOn = !slices.Contains(notForNodes, b.Reason)`,
				`		b.CarryOn = len(notForNodes) > 0 || slices.Contains(notForNodes, b.Reason)`},
		},
		guards: []guard{controllers("TestTheRegistryIsNotNeededForADelivery")},
	},
	{
		name:    "withdrawn-though-supplied",
		pattern: "a deletion removes what the operator did not create",
		edits: []edit{
			{"controllers/delivery/withdraw.go",
				` || r.Puller.Supplied != "" || `,
				` || `},
		},
		guards: []guard{controllers("TestASuppliedLoginReachesTheExchangeAndStays")},
	},
	{
		name:    "deletion-waits-for-ever",
		pattern: "a deletion waits for what others can block",
		edits: []edit{
			{"controllers/pass/abandon.go",
				`	if !s.Now.Before(until) || s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {`,
				`	if s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {`},
		},
		guards: []guard{controllers("TestDeletionTakesTheLoginsOutOfTheExchange")},
	},
	{
		name:    "confirmed-by-an-old-touch",
		pattern: "a heartbeat is taken as confirmation of a message that has expired",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	return t.since.Before(changed.Add(touchLife))`,
				`	return !t.since.IsZero() || t.since.Before(changed.Add(touchLife))`},
		},
		guards: []guard{ofExchange("TestTheOperatorStandsStillWhileANodeIsSilent"), controllers("TestAnotherProcessTellsANodeThatMissedTheTouch")},
	},
	{
		name:    "confirmed-to-a-plain-user",
		pattern: "a filtered list is taken for a complete one",
		edits: []edit{
			{"internal/exchange/look.go",
				`	if !s.admin {`,
				`	if !s.admin && len(s.nodes) == 0 {`},
		},
		guards: []guard{ofExchange("TestToAUserWhoSeesOnlySomeNoNodeIsConfirmed"), controllers("TestAPlainUserIsToldThatNothingIsProven")},
	},
	{
		name:    "missed-touch-never-repeated",
		pattern: "one notification is taken as received",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	case asking && age >= max(touchLife, life/share):`,
				`	case asking && age >= max(touchLife, life/share) && life < 0:`},
		},
		guards: []guard{ofExchange("TestANodeThatWasSilentIsToldOnceItAsks"), controllers("TestAnotherProcessTellsANodeThatMissedTheTouch")},
	},
	{
		name:    "touches-without-a-budget",
		pattern: "others can trigger an act without limit",
		edits: []edit{
			{"internal/exchange/reading.go",
				`	case asking && age >= max(touchLife, life/share):`,
				`	case asking && age >= min(lookAgain, life/share):`},
		},
		guards: []guard{ofExchange("TestTouchesHaveABudget")},
	},
	{
		name:    "older-copy-believed",
		pattern: "what held before a restore is taken to hold after it",
		edits: []edit{
			{"internal/exchange/audience.go",
				`	a.restored, a.tracks = true, map[string]track{}`,
				`	a.restored, a.tracks = a.restored, map[string]track{}`},
		},
		guards: []guard{ofExchange("TestAnExchangeThatIsAnOlderCopyProvesNothing")},
	},
	{
		name:    "revoked-before-it-is-followed",
		pattern: "the old object is deleted before the new one exists",
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
		pattern: "unfinished work is forgotten by a restart",
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
		pattern: "a value that is not known yet is taken for none",
		edits: []edit{
			{"controllers/pass/nodes.go",
				`	return s.Nodes.Generation != l.Credential.Generation || s.Nodes.behind() > 0`,
				`	return s.Nodes.behind() > 0`},
		},
		guards: []guard{within("pass", "TestWhichLoginsNodesNeed"), controllers("TestAfterARestartALoginIsLeftUntilNodesWereLookedAt")},
	},
	{
		name:    "slow-exchange-waited-for",
		pattern: "a wait that others can prolong has no limit",
		edits: []edit{
			{"internal/exchange/withdraw.go",
				`	ctx, cancel := context.WithTimeoutCause(ctx, slow*c.timeout, errSlow)`,
				`	ctx, cancel := context.WithTimeoutCause(ctx, 1000*slow*c.timeout, errSlow)`},
		},
		guards: []guard{ofExchange("TestAnExchangeThatAnswersSlowlyIsGivenUp")},
	},
	{
		name:    "slow-sync-without-end",
		pattern: "a wait that others can prolong has no limit",
		edits: []edit{
			{"internal/exchange/slow.go",
				`	if p.exchanges.now().Sub(p.begun) < time.Duration(requests)*p.client.timeout {`,
				`	if p.exchanges.now().Sub(p.begun) < 1000*time.Duration(requests)*p.client.timeout {`},
		},
		guards: []guard{ofExchange("TestASyncWithASlowExchangeEndsAndIsContinued")},
	},
	{
		name:    "cut-short-begins-anew",
		pattern: "work that was cut short begins at its beginning again",
		edits: []edit{
			{"internal/exchange/pass.go",
				`first: s.from,`,
				`first: "",`},
		},
		guards: []guard{ofExchange("TestServicesThatFailSlowlyHoldNoOtherUp")},
	},
	{
		name:    "silent-after-a-failure",
		pattern: "a failure of one holds up all",
		edits: []edit{
			{"internal/exchange/pass.go",
				`	failure := p.failure
	p.failure = nil
`,
				`	failure := p.failure
`},
		},
		guards: []guard{ofExchange("TestOneServiceWithoutAnAnswerHoldsNoOtherUp")},
	},
}
