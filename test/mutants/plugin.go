// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// byPlugin are tests of a package of kubectl edgereg.
func byPlugin(name, run string) guard {
	return guard{folder: "cmd/kubectl-edgereg/" + name, run: run}
}

// ofPlugin are mistakes about what kubectl edgereg believes, and whom it shows what.
var ofPlugin = []mutant{
	{
		name:    "host-of-the-secret",
		pattern: "what a tenant can write decides where a credential goes",
		edits:   []edit{{"cmd/kubectl-edgereg/cluster/handover.go", `{handoff.KeyHost: host, handoff.KeyImagePrefix`, `{handoff.KeyImagePrefix`}},
		guards:  []guard{byPlugin("cluster", "TestASecretThatSaysSomethingElseIsRefused")},
	},
	{
		name:    "ca-of-the-secret",
		pattern: "what a tenant can write decides who is trusted",
		edits:   []edit{{"cmd/kubectl-edgereg/cluster/handover.go", `if !slices.Contains(ca.Certificates,`, `if len(ca.Certificates) > 0 && !slices.Contains(append(ca.Certificates, fmt.Sprintf("%x", sha256.Sum256(block.Bytes))),`}},
		guards:  []guard{byPlugin("cluster", "TestASecretThatSaysSomethingElseIsRefused")},
	},
	{
		name:    "push-login-to-nodes",
		pattern: "a secret is written where none belongs",
		edits:   []edit{{"cmd/kubectl-edgereg/cluster/handover.go", `case h.CanPush && login.Token.Equal(h.Token):`, `case h.CanPush && login.Token.IsZero():`}},
		guards:  []guard{byPlugin("cluster", "TestASecretThatSaysSomethingElseIsRefused")},
	},
	{
		name:    "env-fails-in-silence",
		pattern: "a failure is answered by nothing, which counts as success",
		edits: []edit{{"cmd/kubectl-edgereg/command/root.go", `(!verb.HasParent() && slices.Contains(args, envVerb))`,
			`(!verb.HasParent() && len(args) == 0 && slices.Contains(args, envVerb))`}},
		guards: []guard{byPlugin("command", "TestAFailedEnvStopsTheScriptThatEvaluatesIt")},
	},
	{
		name:    "quoted-by-double-quotes",
		pattern: "a value from others is executed",
		edits:   []edit{{"cmd/kubectl-edgereg/show/quote.go", "\"'\" + strings.ReplaceAll(text, \"'\", `'\\''`) + \"'\"", "`\"` + strings.ReplaceAll(text, `\"`, `\\\"`) + `\"`"}},
		guards:  []guard{byPlugin("show", "TestAShellReadsWhatWasQuoted")},
	},
	{
		name:    "raw-words-on-a-terminal",
		pattern: "a value from others controls the terminal",
		edits:   []edit{{"cmd/kubectl-edgereg/show/tree.go", `return line + "  " + Safe(f.Message)`, `return line + "  " + f.Message`}},
		guards:  []guard{byPlugin("show", "TestEachStateReadsAsRecorded")},
	},
	{
		name:    "token-in-an-argument",
		pattern: "a program gets a secret in its arguments",
		edits:   []edit{{"cmd/kubectl-edgereg/command/login.go", `"--password-stdin", h.Host)`, `"--password="+h.Token.Reveal(), h.Host)`}},
		guards:  []guard{byPlugin("command", "TestLoginGivesTheTokenByStandardInputAlone")},
	},
	{
		name:    "asked-in-every-pass",
		pattern: "a request is answered but not recorded",
		edits:   []edit{{"controllers/token_review.go", "	p.Record.Asked = requested\n", ""}},
		guards:  []guard{controllers("TestATrialThatIsAskedForIsMadeOnce")},
	},
	{
		name:    "escapes-in-messages",
		pattern: "text from others reaches a terminal unchecked",
		edits: []edit{
			{"internal/text/text.go",
				`strings.Fields(printable(text))`,
				`strings.Fields(text)`},
		},
		guards: []guard{{folder: "internal/text", run: "TestAMessageHoldsNothingThatATerminalObeys"}},
	},
}
