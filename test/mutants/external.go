// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofOtherRegistries are mistakes about registries that are not the cluster's own: about logins that people supply, and about
// what such a registry's answers prove.
var ofOtherRegistries = []mutant{
	{
		name:    "realm-on-any-host",
		pattern: "the server that asks for a login chooses who else gets it",
		edits: []edit{
			{"internal/registry/realm.go",
				`	case !c.mayGiveTokens(realm.Host):`,
				`	case !c.mayGiveTokens(realm.Host) && false:`},
		},
		guards: []guard{byRegistry("TestALoginGoesOnlyWhereItMay")},
	},
	{
		name:    "realm-without-tls",
		pattern: "a check of the first step is missing in the second",
		edits: []edit{
			{"internal/registry/realm.go",
				`	case realm.Scheme != "https":`,
				`	case realm.Scheme == "":`},
		},
		guards: []guard{byRegistry("TestALoginGoesOnlyWhereItMay")},
	},
	{
		name:    "realm-by-its-ending",
		pattern: "names are compared by a part of them",
		edits: []edit{
			{"internal/registry/realm.go",
				`return name != "" && sameHost(name, host) })`,
				`return name != "" && strings.HasPrefix(host, name) })`},
		},
		guards: []guard{byRegistry("TestALoginGoesOnlyWhereItMay")},
	},
	{
		name:    "redirect-followed",
		pattern: "a client follows a redirect and sends the login along",
		edits: []edit{
			{"internal/registry/client.go",
				`	resp, err := c.transport.RoundTrip(req)`,
				`	resp, err := (&http.Client{Transport: c.transport}).Do(req)`},
		},
		guards: []guard{byRegistry("TestNoRedirectIsFollowed")},
	},
	{
		name:    "token-hosts-of-either",
		pattern: "what one server accepts counts for all",
		edits: []edit{
			{"controllers/external/credentials.go",
				`return !slices.ContainsFunc(named, func(other string) bool { return registry.WithPort(other) == registry.WithPort(host) })`,
				`return registry.WithPort(host) == ""`},
		},
		guards: []guard{within("external", "TestTokenHostsAreThoseOfAllLogins")},
	},
	{
		name:    "plain-entry",
		pattern: "a rule for connections without TLS is used with TLS, or the reverse",
		edits: []edit{
			{"controllers/external/entry.go",
				`	if isPlain {`,
				`	if isPlain && host == "" {`},
		},
		guards: []guard{within("external", "TestWhichEntryIsTaken")},
	},
	{
		name:    "entry-of-a-look-alike",
		pattern: "names are compared by a part of them",
		edits: []edit{
			{"controllers/external/entry.go",
				`	if registry.WithPort(name) != registry.WithPort(host) {`,
				`	if first, _, _ := strings.Cut(host, ":"); !strings.HasPrefix(strings.ToLower(name), first) || registry.WithPort(name) == "" {`},
		},
		guards: []guard{within("external", "TestWhichEntryIsTaken"), controllers("TestWhatASuppliedSecretDoesNotSayIsRefused/an_entry_for_a_look-alike")},
	},
	{
		name:    "any-entry-that-covers",
		pattern: "of several matches the first is taken",
		edits: []edit{
			{"controllers/external/entry.go",
				`		case len(path) > longest:`,
				`		case longest < 0:`},
		},
		guards: []guard{within("external", "TestWhichEntryIsTaken")},
	},
	{
		name:    "prefix-by-letters",
		pattern: "paths are compared by characters instead of segments",
		edits: []edit{
			{"controllers/external/entry.go",
				`strings.HasPrefix(prefix, path+"/"), nil`,
				`strings.HasPrefix(prefix, path), nil`},
		},
		guards: []guard{within("external", "TestWhichEntryIsTaken")},
	},
	{
		name:    "login-for-everybody",
		pattern: "a permission granted to one object is used by another",
		edits: []edit{
			{"controllers/objects/supplied.go",
				`	case !slices.Contains(Listed(secret, edgev1.ForAnnotation), edge):`,
				`	case len(Listed(secret, edgev1.ForAnnotation)) > 100:`},
		},
		guards: []guard{within("external", "TestWhatASecretHasToSay")},
	},
	{
		name:    "login-into-any-namespace",
		pattern: "what a permission does not mention is allowed",
		edits: []edit{
			{"controllers/external/credentials.go",
				`		if !granted.covers([]string{namespace}) {`,
				`		if !granted.covers([]string{namespace}) && namespace == "" {`},
		},
		guards: []guard{within("external", "TestWhatASecretHasToSay")},
	},
	{
		name:    "login-of-any-secret",
		pattern: "a label that restricts the use of an object is ignored",
		edits: []edit{
			{"controllers/objects/supplied.go",
				`	case secret.Labels[CredentialsLabel] != "true":`,
				`	case len(secret.Labels) > 100:`},
		},
		guards: []guard{within("external", "TestWhatASecretHasToSay")},
	},
	{
		name:    "deleted-takes-away",
		pattern: "an absent credential is taken for a revoked one",
		edits: []edit{
			{"controllers/external/issuer.go",
				`	b.CarryOn = true
	return b
}

// setUser sets`,
				`	return b
}

// setUser sets`},
		},
		guards: []guard{controllers("TestASuppliedSecretThatGoesTakesNothingAway")},
	},
	{
		name:    "kept-for-more",
		pattern: "an earlier permission is used for a new request",
		edits: []edit{
			{"controllers/external/issuer.go",
				` || !known.covers(s.namespacesOf(l)) {`,
				` {`},
		},
		guards: []guard{controllers("TestASuppliedSecretThatGoesTakesNothingAway")},
	},
	{
		name:    "published-unproven",
		pattern: "a replacement is not tested before it is used",
		edits: []edit{
			{"controllers/verify_renewal.go",
				`	if err == nil || (!required && !refused(err)) {`,
				`	if err == nil || l.Supplied != "" || (!required && !refused(err)) {`},
		},
		guards: []guard{controllers("TestASuppliedLoginThatChangesIsPublishedOnceItWorks")},
	},
	{
		name:    "namespace-without-invitation",
		pattern: "having access is taken for having consent",
		edits: []edit{
			{"controllers/namespace.go",
				`	uid, err := p.consented(ctx, name)`,
				`	uid := p.Record.Served[name]
	_, err := p.readNamespace(ctx, name, forSecrets)`},
		},
		guards: []guard{controllers("TestAnotherRegistryFromNothingToReady")},
	},
	{
		name:    "anonymous-is-proven",
		pattern: "a check that anybody passes is taken for proof",
		edits: []edit{
			{"internal/registry/prove.go",
				`found := Access{Pull: true, Anonymous: everybody}`,
				`found := Access{Pull: true, Anonymous: everybody && !exists}`},
		},
		guards: []guard{byRegistry("TestWhatEachDialectProves")},
	},
	{
		name:    "anonymous-untold",
		pattern: "a check that anybody passes is taken for proof",
		edits: []edit{
			{"controllers/verify.go",
				`		case found.Anonymous && reason == edgev1.ReasonVerified:`,
				`		case found.Anonymous && reason == "":`},
		},
		guards: []guard{controllers("TestWhatEverybodyMayPullProvesNothing")},
	},
	{
		name:    "a-token-proves",
		pattern: "an answer to a login is taken for its acceptance",
		edits: []edit{
			{"internal/registry/prove.go",
				`	if !found.Pull || found.Anonymous || found.Unproven != "" {`,
				`	if found.Anonymous {`},
		},
		guards: []guard{byRegistry("TestAWrongPasswordIsRefusedInEachDialect")},
	},
	{
		name:    "anybody-in-public",
		pattern: "what anybody gets is taken for the acceptance of a login",
		edits: []edit{
			{"internal/registry/prove.go",
				`	if !found.Pull || found.Anonymous || found.Unproven != "" {`,
				`	if !found.Pull || found.Unproven != "" {`},
		},
		guards: []guard{byRegistry("TestAWrongPasswordIsRefusedInEachDialect")},
	},
	{
		name:    "upload-begun",
		pattern: "a check leaves something behind",
		edits: []edit{
			{"internal/registry/prove.go",
				`a, err := s.send(ctx, opPush, http.MethodPatch, t.url("/v2/"+t.repository+"/blobs/uploads/"+uuid.NewString()))`,
				`a, err := s.send(ctx, opPush, http.MethodPost, t.url("/v2/"+t.repository+"/blobs/uploads/"+uuid.NewString()[:0]))`},
		},
		guards: []guard{byRegistry("TestWhatEachDialectProves")},
	},
	{
		name:    "repository-made",
		pattern: "a check leaves something behind",
		edits: []edit{
			{"internal/registry/prove.go",
				`	if found.Unproven != "" && w.realm != nil {`,
				`	if found.Unproven != "" && w.realm == nil {`},
		},
		guards: []guard{byRegistry("TestARepositoryThatIsNotThereIsNotMade")},
	},
	{
		name:    "503-takes-the-verdict",
		pattern: "a missing answer is taken for a refusal",
		edits: []edit{
			{"internal/registry/errors.go",
				`	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable`,
				`	return e.Status == http.StatusTooManyRequests`},
		},
		guards: []guard{byRegistry("TestAnAnswerThatIsNoRegistrysIsNoAnswer")},
	},
	{
		name:    "busy-takes-the-verdict",
		pattern: "a missing answer is taken for a refusal",
		edits: []edit{
			{"controllers/verify.go",
				`	if verifiedAt.IsZero() || !p.knowsProof() || p.Now.After(verifiedAt.Add(verdictIntervals*p.Edge.Spec.Verification.Interval.Duration)) {`,
				`	if pause > 0 {`},
		},
		guards: []guard{controllers("TestABusyRegistryKeepsTheLastVerdict")},
	},
	{
		name:    "retry-after-ignored",
		pattern: "a server that asks for a pause is asked again",
		edits: []edit{
			{"controllers/verify.go",
				`	wait := failure.RetryAfter
`,
				`	wait := failure.RetryAfter - failure.RetryAfter
`},
		},
		guards: []guard{controllers("TestABusyRegistryKeepsTheLastVerdict")},
	},
	{
		name:    "retry-after-by-our-clock",
		pattern: "times of two clocks are compared",
		edits: []edit{
			{"internal/retry/after.go",
				`	now, unknown := http.ParseTime(date)`,
				`	now, unknown := time.Now(), error(nil)`},
		},
		guards: []guard{{folder: "internal/retry", run: "TestHowLongAnAnswerAsksToWait"}},
	},
	{
		name:    "any-bad-request-refuses",
		pattern: "a missing answer is taken for a refusal",
		edits: []edit{
			{"internal/registry/prove.go",
				`		return code == codeUnauthorized || code == codeDenied`,
				`		return code != codeNameUnknown`},
		},
		guards: []guard{byRegistry("TestABadRequestIsARefusalOnlyByItsCode")},
	},
	{
		name:    "asked-for-each-login",
		pattern: "each object requests what is the same for all",
		edits: []edit{
			{"internal/registry/prove.go",
				`	if known, asked := t.public[t.repository]; asked {`,
				`	if known, asked := t.public[t.repository]; asked && known {`},
		},
		guards: []guard{byRegistry("TestHowOftenARegistryIsAsked")},
	},
	{
		name:    "told-by-whom",
		pattern: "an answer for one client is used for all",
		edits: []edit{
			{"internal/registry/shared.go",
				`return sharedKey{WithPort(c.host), c.trust, realm, repository}`,
				`return sharedKey{WithPort(c.host), [sha256.Size]byte{}, realm, repository}`},
		},
		guards: []guard{byRegistry("TestWhatEverybodyIsToldIsAskedForOnce")},
	},
	{
		name:    "told-for-ever",
		pattern: "an earlier answer is taken for a current one",
		edits: []edit{
			{"internal/registry/shared.go",
				`	return !now.Before(a.at) && now.Before(a.at.Add(sharedFor))`,
				`	return !now.Before(a.at)`},
		},
		guards: []guard{byRegistry("TestWhatEverybodyIsToldIsAskedForOnce")},
	},
	{
		name:    "told-of-what-was-not-there",
		pattern: "an absent object is taken for the future one",
		edits: []edit{
			{"internal/registry/prove.go",
				"	if exists {\n		t.remember(",
				"	{\n		t.remember("},
		},
		guards: []guard{byRegistry("TestTheControlOfAnAbsentRepositoryIsNotShared")},
	},
	{
		name:    "refused-by-hearsay",
		pattern: "a missing answer is taken for a refusal",
		edits: []edit{
			{"internal/registry/prove.go",
				`	return c.forget()
}`,
				`	return c.forget() && false
}`},
		},
		guards: []guard{byRegistry("TestAChangedRegistryRefusesNobody")},
	},
	{
		name:    "push-asked-for-first",
		pattern: "a check leaves something behind",
		edits: []edit{
			{"internal/registry/prove.go",
				`	if t.way.realm != nil && t.seen[t.repository] {`,
				`	if t.way.realm != nil {`},
		},
		guards: []guard{byRegistry("TestARepositoryThatIsNotThereIsNotMade")},
	},
	{
		name:    "first-push-unseen",
		pattern: "a wait does not notice what arrives early",
		edits: []edit{
			{"controllers/verify.go",
				`&& !p.knowsRefused() && !p.appeared(ctx) {`,
				`&& !p.knowsRefused() && (!p.appeared(ctx) || true) {`},
		},
		guards: []guard{controllers("TestTheFirstPushIsFoundBeforeTheIntervalIsOver")},
	},
	{
		name:    "looked-for-every-minute",
		pattern: "a pause does not grow",
		edits: []edit{
			{"controllers/verify.go",
				`	v.looks++
`,
				`	v.looks += 0
`},
		},
		guards: []guard{controllers("TestTheFirstPushIsFoundBeforeTheIntervalIsOver")},
	},
	{
		name:    "findings-forgotten",
		pattern: "a restart repeats finished work",
		edits: []edit{
			{"controllers/pass/record.go",
				`	c.Found = maps.Clone(r.Found)
`,
				`	c.Found = nil
`},
		},
		guards: []guard{controllers("TestManyOfOneRegistryAskItSparingly")},
	},
}
