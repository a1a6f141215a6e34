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
}
