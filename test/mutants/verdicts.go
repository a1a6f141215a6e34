// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofVerdicts are mistakes about what is believed for how long.
var ofVerdicts = []mutant{
	{
		name:    "busy-for-ever",
		pattern: "a state that was not checked is reported unchanged",
		edits: []edit{{"controllers/verify.go", `	if verifiedAt.IsZero() || !p.knowsProof() || p.Now.After(verifiedAt.Add(verdictIntervals*p.Edge.Spec.Verification.Interval.Duration)) {
`, `	if verifiedAt.IsZero() || !p.knowsProof() {
`}},
		guards: []guard{controllers("TestABusyRegistryKeepsTheLastVerdict")},
	},
	{
		name:    "former-may-end-of-before",
		pattern: "a state that was not checked is reported unchanged",
		edits: []edit{{"controllers/edgeregistry_controller.go", `		doubtExchange(before, edge)
`, `		_ = before
`}},
		guards: []guard{controllers("TestWhetherALoginMayEndIsUnknownWhileTheExchangeIsAway")},
	},
	{
		name:    "ready-without-a-token",
		pattern: "a state that was not checked is reported unchanged",
		edits: []edit{{"controllers/deletion.go", `		return r.leave(ctx, edge)
	case`, `		return ctrl.Result{}, nil
	case`}},
		guards: []guard{controllers("TestAnEdgeRegistryThatOthersKeepIsNotReadyAndListsNoDeadToken")},
	},
	{
		name:    "true-of-an-hour-ago",
		pattern: "a state that was not checked is reported unchanged",
		edits: []edit{
			{"controllers/pass/step.go",
				`			setWaiting(s.Edge, step.Condition, waitsBecause, "waits for "+waitsFor)
`,
				`			_ = waitsBecause
`},
		},
		guards: []guard{controllers("TestASuccessOfBeforeTheRegistryWasGoneDoesNotCount")},
	},
	{
		name:    "proxys-ca-for-nodes",
		pattern: "what the operator sees is taken for what nodes see",
		edits: []edit{
			{"controllers/dial.go",
				`	if proxy == nil || vouchedFor(shown, near) || p.isPublic(presented) {
`,
				`	if proxy == nil || shown.Root != nil {
`},
		},
		guards: []guard{controllers("TestTheCAOfAnInspectingProxyIsNotTheNodes")},
	},
	{
		name:    "firewall-for-registry",
		pattern: "an error page of a proxy is taken for the registry's answer",
		edits: []edit{{"internal/registry/realm.go", `		return a.marked()
`, `		return true
`}},
		guards: []guard{byRegistry("TestWhatStandsBeforeARegistryIsNotTakenForIt")},
	},
	{
		name:    "go-alone-judges-roots",
		pattern: "a check answers another question than the one asked",
		edits: []edit{{"internal/trust/verify.go", `	if !servesByKeyUsage(presented[0]) {
`, `	if false && !servesByKeyUsage(presented[0]) {
`}},
		guards: []guard{{folder: "internal/trust", run: "TestWhatMakesARoot"}},
	},
	{
		name:    "own-refusal-unnoticed",
		pattern: "a lasting failure is taken for a passing one",
		edits: []edit{
			{"controllers/apiserver/occasions.go",
				`	case status == http.StatusUnauthorized:
		o.refused = true
`,
				``},
		},
		guards: []guard{controllers("TestDeadTokensAreReplacedWithinAMinuteOfAnOccasion")},
	},
	{
		name:    "other-keys-unnoticed",
		pattern: "the operator's own experience is taken for everybody's",
		edits: []edit{
			{"controllers/apiserver/signing_keys.go",
				`changed := known.last != "" && known.last != now`,
				`changed := known.last == now && now == ""`},
		},
		guards: []guard{controllers("TestDeadTokensAreReplacedWithinAMinuteOfAnOccasion")},
	},
	{
		name:    "one-look-is-enough",
		pattern: "a momentary answer is taken for a lasting one",
		edits: []edit{
			{"controllers/token_review.go", `	case dead && m.review.doubted != id:
`, `	case false && dead && m.review.doubted != id:
`},
			{"controllers/token_review.go", `	dead, err := p.session.Dead(ctx, l)
	if err == nil && !dead {
		m.refused`, `	dead, err := true, error(nil)
	if err == nil && !dead {
		m.refused`},
		},
		guards: []guard{controllers("TestNothingIsMintedForAMomentsRefusal")},
	},
	{
		name:    "minted-again-and-again",
		pattern: "an irreversible act is repeated because a later step fails",
		edits: []edit{
			{"controllers/credentials.go", `	if fresh.Expires() && l.Supplied == "" {
		kept`, `	if fresh.Expires() && p.Edge == nil {
		kept`},
		},
		guards: []guard{controllers("TestOneMintForOneCauseHoweverLongItsPublicationIsRefused")},
	},
	{
		name:    "condition-of-no-step",
		pattern: "a state that was not checked is reported unchanged",
		edits: []edit{
			{"controllers/pass/step.go",
				`return !isSummary(c.Type) && !slices.Contains(result.Conditions, c.Type)`,
				`return c.Type == ""`},
		},
		guards: []guard{within("pass", "TestRunSteps_conditionsAreThoseOfTheSteps")},
	},
}
