// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// byTrust are tests of internal/trust.
func byTrust(run string) guard { return guard{folder: "internal/trust", run: run} }

// ofInputs are mistakes about what users bring and follow, by the kinds of docs/internal/peer-bugs.md.
var ofInputs = []mutant{
	{
		name:    "blocks-by-lines",
		pattern: "a PEM file is read as one program writes it",
		edits: []edit{
			{"internal/trust/blocks.go",
				"regexp.MustCompile(`-----(BEGIN|END) ([A-Za-z0-9. ]{1,64})-----`)",
				"regexp.MustCompile(`(?m)^-----(BEGIN|END) ([A-Za-z0-9. ]{1,64})-----$`)"},
		},
		guards: []guard{byTrust("TestParsePEM")},
	},
	{
		name:    "left-out-in-silence",
		pattern: "a PEM file is read as one program writes it",
		edits: []edit{
			{"internal/trust/blocks.go",
				`	r.LeftOut = append(r.LeftOut, fmt.Sprintf("block %d %s", r.Blocks, why))`,
				`	_ = why`},
		},
		guards: []guard{byTrust("TestWhatIsLeftOut")},
	},
	{
		name:    "root-by-extensions",
		pattern: "a root CA is judged more strictly than clients do",
		edits: []edit{
			{"internal/trust/pem.go",
				`return cert.Version < 3 || (cert.BasicConstraintsValid && cert.IsCA)`,
				`return cert.BasicConstraintsValid && cert.IsCA`},
		},
		guards: []guard{byTrust("TestARootOfVersionOneIsARoot")},
	},
	{
		name:    "first-certificate-for-all",
		pattern: "only the first item of a list counts",
		edits: []edit{
			{"internal/trust/verify.go",
				`	const most = 5`,
				`	const most = 1`},
		},
		guards: []guard{byTrust("TestVerifyOfflineTriesEach")},
	},
	{
		name:    "route-of-before",
		pattern: "only the first item of a list counts",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`return route.Spec.Host != "" && !strings.EqualFold(route.Spec.Host, ingress.Host)`,
				`return route.Spec.Host == "" && !strings.EqualFold(route.Spec.Host, ingress.Host)`},
		},
		guards: []guard{within("openshift", "TestTheHostIsTheOneThatARouterAdmitted")},
	},
	{
		name:    "origin-by-letters",
		pattern: "two spellings of one value count as two values",
		edits: []edit{
			{"internal/registry/client.go",
				`u.Scheme == "https" && sameHost(u.Host, c.host)`,
				`u.Scheme == "https" && u.Host == c.host`},
		},
		guards: []guard{byRegistry("TestARealmOfTheSameOrigin")},
	},
	{
		name:    "advice-in-minutes",
		pattern: "following the advice in a message fails",
		edits: []edit{
			{"controllers/pass/blocked.go",
				`	retryStalled     = 25 * time.Second`,
				`	retryStalled     = 5 * time.Minute`},
		},
		guards: []guard{within("pass", "TestOutcomeIsTheTimeOfTheNextPass")},
	},
	{
		name:    "outage-in-minutes",
		pattern: "following the advice in a message fails",
		edits: []edit{
			{"controllers/pass/lasting.go",
				`askedOf(s.Edge)}, retryStalled, longest)`,
				`askedOf(s.Edge)}, longest, longest)`},
		},
		guards: []guard{within("pass", "TestAServerElsewhereIsAskedLessAndLessOften")},
	},
	{
		name:    "lasting-tokens-by-host",
		pattern: "an irreversible act answers a change that reverts",
		edits: []edit{
			{"controllers/credentials.go",
				`	case expires && p.publishedHost(l) != p.Registry.Host:`,
				`	case p.publishedHost(l) != p.Registry.Host:`},
		},
		guards: []guard{controllers("TestALongLivedTokenStaysWhenTheHostGoesToAndFro")},
	},
	{
		name:    "dead-tokens-listed",
		pattern: "a verdict outlives its evidence",
		edits: []edit{
			{"controllers/openshift/retire.go",
				`return expired || invalidated(bound) ||`,
				`return false && expired || invalidated(bound) ||`},
		},
		guards: []guard{within("openshift", "TestDeadTokensAreNotListed")},
	},
	{
		name:    "ca-at-the-end-by-one-reader",
		pattern: "a PEM file is read as one program writes it",
		edits: []edit{
			{"controllers/external/harbor_session.go",
				`	pool, err := trust.Pool([]byte(bundle))`,
				"	pool, err := x509.NewCertPool(), error(nil)\n	pool.AppendCertsFromPEM([]byte(bundle))"},
		},
		guards: []guard{within("external", "TestTheCAOfHarborIsReadAtADeletionAsBefore")},
	},
	{
		name:    "null-is-no-robot",
		pattern: "an answer without content is taken for a no",
		edits: []edit{
			{"internal/harbor/robots.go",
				`		if some == nil || slices.ContainsFunc(`,
				`		if slices.ContainsFunc(`},
		},
		guards: []guard{{folder: "internal/harbor", run: "TestEachFieldOfAnAnswer"}},
	},
	{
		name:    "managed-unless-told",
		pattern: "an optional field is taken for one that is always set",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`	case operatorv1.Managed:`,
				`	case operatorv1.Managed, operatorv1.Force, "":`},
		},
		guards: []guard{within("openshift", "TestEachFieldOfTheRegistrysConfig")},
	},
	{
		name:    "policy-listed-first",
		pattern: "only the first item of a list counts",
		edits: []edit{
			{"controllers/ibmcloud/access.go",
				`	case slices.ContainsFunc(policies, func(p ibmcloud.Policy) bool { return p.ID == identity.Grant }):`,
				`	case len(policies) > 0 && policies[0].ID == identity.Grant:`},
		},
		guards: []guard{within("ibmcloud", "TestThePolicyOnRecordCounts")},
	},
	{
		name:    "wait-before-a-stall",
		pattern: "only the first item of a list counts",
		edits: []edit{
			{"controllers/pass/blocked.go",
				`		case a.Stalled == b.Stalled:`,
				`		case a.Stalled == b.Stalled, true:`},
		},
		guards: []guard{within("pass", "TestWhatWaitsTogether")},
	},
	{
		name:    "pusher-by-user",
		pattern: "a name is taken for identity",
		edits: []edit{
			{"controllers/external/whose.go",
				`		if l.Credential.Token.Equal(token) {`,
				`		if owner == exchange.Publisher || l.Credential.Token.Equal(token) {`},
		},
		guards: []guard{within("external", "TestWhoseASuppliedLoginIs")},
	},
}
