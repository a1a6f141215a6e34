// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

const publishScript = "config/consumers/publish.sh"

// consumers are tests of the package of that name, which embeds the script: so an overlay reaches it.
func consumers(run string) guard { return guard{folder: "config/consumers", run: run} }

// ofHandingOver are mistakes of publish.sh, and of what other programs read.
var ofHandingOver = []mutant{
	{
		name:    "control-characters-taken",
		pattern: "a secret with a pasted line break passes a check by its first line",
		edits:   []edit{{publishScript, `for pattern in '*[[:cntrl:]]*' `, `for pattern in `}},
		guards:  []guard{consumers("TestPublishRefusesAValue")},
	},
	{
		name:    "blank-at-the-end-taken",
		pattern: "a secret with a pasted blank passes a check",
		edits:   []edit{{publishScript, `'[[:blank:]]*' '*[[:blank:]]' "$@"`, `'[[:blank:]]*' "$@"`}},
		guards:  []guard{consumers("TestPublishRefusesAValue")},
	},
	{
		name:    "variable-not-checked",
		pattern: "one of the inputs is not checked",
		edits:   []edit{{publishScript, `DOCKER_CONFIG HZN_PRIVATE_KEY_FILE TMPDIR; do`, `HZN_PRIVATE_KEY_FILE TMPDIR; do`}},
		guards:  []guard{consumers("TestPublishRefusesAValue")},
	},
	{
		name:    "malformed-value-shown",
		pattern: "an error message repeats a secret",
		edits:   []edit{{publishScript, `note "$name has a line break`, `note "$name ($text) has a line break`}},
		guards:  []guard{consumers("TestPublishRefusesAValue")},
	},
	{
		name:    "value-read-as-code",
		pattern: "a value from outside is read as code",
		edits:   []edit{{publishScript, `eval "text=\${$name-}"`, `eval "eval \"text=\${$name-}\""`}},
		guards:  []guard{consumers("TestPublishRefusesAValue|TestPublishTakesEveryValueAsData")},
	},
	{
		name:    "dash-read-as-option",
		pattern: "a path from outside is read as an option",
		edits:   []edit{{publishScript, `for name in CONTEXT DEFINITION SERVICE_POLICY PATTERN POLICY CA_FILE CA_DIR TMPDIR; do`, `for name in CONTEXT SERVICE_POLICY PATTERN POLICY CA_FILE CA_DIR TMPDIR; do`}},
		guards:  []guard{consumers("TestPublishTakesEveryValueAsData")},
	},
	{
		name:    "another-login-passed-on",
		pattern: "a login in the environment takes precedence over the new one",
		edits:   []edit{{publishScript, `HZN_EXCHANGE_USER_AUTH DOCKER_AUTH_CONFIG \`, `HZN_EXCHANGE_USER_AUTH \`}},
		guards:  []guard{consumers("TestPublishPassesOnNothing")},
	},
	{
		name:    "push-by-whichever-login",
		pattern: "a login in a file takes precedence over the new one",
		edits:   []edit{{publishScript, `push --authfile="$logins" `, `push `}},
		guards:  []guard{consumers("TestPublishDoesTheDocumentedSteps")},
	},
	{
		name:    "helper-not-noticed",
		pattern: "a login in a credential helper takes precedence over the new one",
		edits:   []edit{{publishScript, `--get-login "$IMAGE_PREFIX")" = "$OCP_USER" ]`, `--get-login "$IMAGE_PREFIX")" ]`}},
		guards:  []guard{consumers("TestPublishStops")},
	},
	{
		name:    "tokens-stay-exported",
		pattern: "a program gets a secret in its environment that it does not need",
		edits:   []edit{{publishScript, "	unset push_token registry_auth exchange_auth text line rest needle needles listed\n", ""}},
		guards:  []guard{consumers("TestPublishExportsNoToken")},
	},
	{
		name:    "exchange-login-exported",
		pattern: "a program gets a secret in its environment that it does not need",
		edits:   []edit{{publishScript, "	HZN_EXCHANGE_USER_AUTH=$exchange_auth hzn ", "	export HZN_EXCHANGE_USER_AUTH=\"$exchange_auth\" HZN_REGISTRY_AUTH=\"$registry_auth\"\n	hzn "}},
		guards:  []guard{consumers("TestPublishExportsNoToken")},
	},
	{
		name:    "credential-in-braces-published",
		pattern: "a template puts a secret into what all can read",
		edits:   []edit{{publishScript, `*"\${$name}"* | `, ``}},
		guards:  []guard{consumers("TestPublishRefusesADefinition")},
	},
	{
		name:    "credential-behind-a-comment-published",
		pattern: "a filter and its consumer parse a text differently",
		edits:   []edit{{publishScript, `text="$rest$text "`, `text="$(cat "$1") "`}},
		guards:  []guard{consumers("TestPublishRefusesADefinition")},
	},
	{
		name:    "policy-not-looked-into",
		pattern: "a filter checks only one of the files in use",
		edits:   []edit{{publishScript, `"$PATTERN" "$POLICY" "$@"; do`, `"$PATTERN" "$POLICY"; do`}},
		guards:  []guard{consumers("TestPublishRefusesADefinition")},
	},
	{
		name:    "base64-masked-at-one-place",
		pattern: "a secret is redacted in only one of its encodings",
		edits:   []edit{{publishScript, `for _ in 1 2 3; do`, `for _ in 1 2; do`}},
		guards:  []guard{consumers("TestPublishMasksBase64")},
	},
	{
		name:    "base64-masked-with-its-end",
		pattern: "a secret is redacted only where it stands alone",
		edits:   []edit{{publishScript, "		case $text in *=) text=${text%????} ;; esac\n", ""}},
		guards:  []guard{consumers("TestPublishMasksBase64")},
	},
	{
		name:    "pattern-not-looked-into",
		pattern: "a filter checks only one of the files in use",
		edits:   []edit{{publishScript, `"$SERVICE_POLICY" "$PATTERN" "$POLICY" "$@"; do`, `"$SERVICE_POLICY" "$POLICY" "$@"; do`}},
		guards:  []guard{consumers("TestPublishRefusesAPatternOrPolicy")},
	},
	{
		name:    "another-hosts-login-is-enough",
		pattern: "a wait ends with another object's event",
		edits:   []edit{{publishScript, `0:*"\"registry\": \"$OCP_DOCKER_HOST\""*) return ;;`, `0:*"$OCP_DOCKER_HOST"*) return ;;`}},
		guards:  []guard{consumers("TestPublishWaitsForTheLogin")},
	},
	{
		name:    "pattern-without-a-login",
		pattern: "a failure is reported, and the steps that depend on it run anyway",
		edits:   []edit{{publishScript, "	return 1\n}\n\n# deploy:", "	return 0\n}\n\n# deploy:"}},
		guards:  []guard{consumers("TestPublishSendsNothingToNodes")},
	},
	{
		name:    "pull-of-what-is-here",
		pattern: "a check asks a cache instead of the server",
		edits:   []edit{{publishScript, `set -- --policy=always;`, `set --;`}},
		guards:  []guard{consumers("TestPublishDoesTheDocumentedSteps")},
	},
	{
		name:    "pull-by-the-login-of-the-push",
		pattern: "a check runs with more rights than those that it checks",
		edits:   []edit{{publishScript, `REGISTRY_AUTH_FILE=$scratch/node/config.json`, `REGISTRY_AUTH_FILE=$logins`}},
		guards:  []guard{consumers("TestPublishPullsWithThePullLogin")},
	},
	{
		name:    "login-written-twice",
		pattern: "one reader of a format accepts less of it than the others",
		edits: []edit{
			{"internal/handoff/handoff.go", "dockerAuth{Auth: base64", "dockerAuth{Username: login.User, Password: login.Token.Reveal(), Auth: base64"},
		},
		guards: []guard{{folder: "test/readers", run: "TestEveryReader"}},
	},
}
