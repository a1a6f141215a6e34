// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofVerdicts are mistakes about what is believed for how long.
var ofVerdicts = []mutant{
	{
		name:    "true-of-an-hour-ago",
		pattern: "what was not looked at is told as it was",
		edits: []edit{
			{"controllers/steps.go",
				`			setWaiting(s.edge, conditionsOf(steps[i+1:]), reason, "waits for "+step.condition)
`,
				`			_, _ = i, reason
`},
		},
		guards: []guard{controllers("TestASuccessOfBeforeTheRegistryWasGoneDoesNotCount")},
	},
	{
		name:    "own-refusal-unnoticed",
		pattern: "what happens to oneself is taken for a passing trouble",
		edits: []edit{
			{"controllers/occasions.go",
				`	case status == http.StatusUnauthorized:
		o.refused = true
`,
				``},
		},
		guards: []guard{controllers("TestDeadTokensAreReplacedWithinAMinuteOfAnOccasion")},
	},
	{
		name:    "other-keys-unnoticed",
		pattern: "what happens to oneself stands for what happens to all",
		edits: []edit{
			{"controllers/signing_keys.go",
				`changed := known.last != "" && known.last != now`,
				`changed := known.last == now && now == ""`},
		},
		guards: []guard{controllers("TestDeadTokensAreReplacedWithinAMinuteOfAnOccasion")},
	},
	{
		name:    "one-look-is-enough",
		pattern: "a moment's answer is taken for a lasting one",
		edits: []edit{
			{"controllers/token_review.go", `	case dead && m.doubted != anchor:
`, `	case false && dead && m.doubted != anchor:
`},
			{"controllers/liveness.go", `	dead, err := r.isDead(ctx, current.Token)
	if err == nil && !dead {
		r.remember`, `	dead, err := true, error(nil)
	if err == nil && !dead {
		r.remember`},
		},
		guards: []guard{controllers("TestNothingIsMintedForAMomentsRefusal")},
	},
	{
		name:    "minted-again-and-again",
		pattern: "an effect that cannot be undone is repeated because what follows it fails",
		edits: []edit{
			{"controllers/unpublished.go", `	if !fresh.claims.Expires() {
		return nil
	}
`, `	if s != nil || !fresh.claims.Expires() {
		return nil
	}
`},
		},
		guards: []guard{controllers("TestOneMintForOneCauseHoweverLongItsPublicationIsRefused")},
	},
}
