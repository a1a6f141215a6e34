// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofIBMCloud are mistakes about keys, service IDs and namespaces at IBM Cloud.
var ofIBMCloud = []mutant{
	{
		name:    "dropped-is-dead",
		pattern: "what is not on record is taken for absent",
		edits: []edit{
			{"controllers/ibmcloud/retire.go",
				`	l.Alive = append(s.dropped(l), l.Alive...)`,
				`	_ = s.dropped(l)`},
		},
		guards: []guard{within("ibmcloud", "TestAKeyThatTheRecordDroppedIsListedAndEnds")},
	},
	{
		name:    "mark-of-anybody",
		pattern: "what a tenant can write decides who gets a right",
		edits: []edit{
			{"controllers/ibmcloud/access.go",
				`	if len(found) > 0 && (!identity.IntendedAt.IsZero() || s.Record.Lost) {`,
				`	if len(found) > 0 {`},
		},
		guards: []guard{within("ibmcloud", "TestAServiceIDWithOurMarkThatWeDidNotMakeIsNotUsed")},
	},
	{
		name:    "not-found-believed",
		pattern: "one answer is taken for proof of absence",
		edits: []edit{
			{"controllers/ibmcloud/gone.go",
				`func(one ibmcloud.Key) bool { return one.ID == id }`,
				`func(one ibmcloud.Key) bool { return one.ID == id && id == "" }`},
		},
		guards: []guard{within("ibmcloud", "TestAKeyIsForgottenOnlyWhenNoListHasIt")},
	},
	{
		name:    "key-for-any-namespace",
		pattern: "a permission granted to one object is used by another",
		edits: []edit{
			{"controllers/ibmcloud/supplied.go",
				`			if !slices.Contains(said, value) {`,
				`			if len(said) > 100 || (value == "" && !slices.Contains(said, value)) {`},
		},
		guards: []guard{controllers("TestASuppliedKeyIsUsedForWhatItsSecretSaysAlone")},
	},
	{
		name:    "key-of-any-account",
		pattern: "a guard in the spec is ignored",
		edits: []edit{
			{"controllers/ibmcloud/account.go",
				`	case s.spec.AccountID != "" && found.ID != s.spec.AccountID:`,
				`	case s.spec.AccountID != "" && found.ID == "":`},
		},
		guards: []guard{controllers("TestASuppliedKeyIsUsedForWhatItsSecretSaysAlone")},
	},
	{
		name:    "namespace-of-whoever",
		pattern: "what already existed counts as created",
		edits: []edit{
			{"controllers/ibmcloud/registry_namespace.go",
				`	at.Account, at.Place.Found, at.Place.Intended = s.account, true, false`,
				`	at.Account, at.Place.Found, at.Place.Created = s.account, true, true`},
		},
		guards: []guard{within("ibmcloud", "TestARegistryNamespaceIsOursOnlyIfItsCreationSaidSo")},
	},
	{
		name:    "value-not-written-ahead",
		pattern: "a credential is created before it is recorded",
		edits: []edit{
			{"controllers/ibmcloud/keys.go",
				`	return pending, s.SaveRecord(ctx, s.Scope)`,
				`	return pending, nil`},
		},
		guards: []guard{within("ibmcloud", "TestAnOperatorThatDiesAroundAWriteLeavesOneKeyOfAGeneration")},
	},
	{
		name:    "old-key-at-once",
		pattern: "a credential is ended early because its successor exists",
		edits: []edit{
			{"controllers/ibmcloud/retire.go",
				`	case s.Now.Before(issued.ExpiresAt.Time):`,
				`	case s.Now.Before(issued.IssuedAt.Time):`},
		},
		guards: []guard{within("ibmcloud", "TestAKeyIsEndedInThreeStepsAfterItsLifetime"), controllers("TestAKeyWorksForItsWholeLifetimeAfterItWasReplaced")},
	},
	{
		name:    "key-in-use-cut-off",
		pattern: "a credential in use is ended by the clock",
		edits: []edit{
			{"controllers/ibmcloud/retire.go",
				`s.Now.Sub(key.LastAuthn) < inUse {`,
				`s.Now.Sub(key.LastAuthn) < 0 {`},
		},
		guards: []guard{within("ibmcloud", "TestAKeyThatIsInUseIsLeftUntilIBMCloudEndsIt")},
	},
	{
		name:    "any-rights-will-do",
		pattern: "an object of others is used without a check of its rights",
		edits: []edit{
			{"controllers/ibmcloud/given_access.go",
				`		if p.Other || tooMuch || !maps.Equal(p.Resource, s.resource()) {`,
				`		if p.Other || (tooMuch && p.ID == "") || !maps.Equal(p.Resource, s.resource()) {`},
		},
		guards: []guard{within("ibmcloud", "TestAServiceIDThatIsThereIsUsedOnlyForWhatItMayDo")},
	},
	{
		name:    "keys-of-others-too",
		pattern: "an object in the same place is taken for the operator's",
		edits: []edit{
			{"controllers/ibmcloud/keys.go",
				`strings.HasPrefix(key.Description, s.mark(role)+generationMark) && generationIn(key.Description) > 0`,
				`len(s.mark(role)) > 0`},
		},
		guards: []guard{within("ibmcloud", "TestWhichKeysAreOurs")},
	},
	{
		name:    "key-for-ever",
		pattern: "a credential outlives the operator that would end it",
		edits: []edit{
			{"controllers/ibmcloud/keys.go",
				`		Value: value, ExpiresAt: pending.Until.Time,`,
				`		Value: value,`},
		},
		guards: []guard{within("ibmcloud", "TestAYearOfKeys")},
	},
	{
		name:    "list-of-each-pass",
		pattern: "each object requests what all could share",
		edits: []edit{
			{"controllers/ibmcloud/cloud.go",
				`c.known && age >= 0 && age < listLife {`,
				`c.known && age >= 0 && age < listLife/60 {`},
		},
		guards: []guard{within("ibmcloud", "TestAHundredAtRestAskAsMuchAsOne")},
	},
	{
		name:    "key-of-any-number",
		pattern: "a number that others can write is counted on",
		edits: []edit{
			{"controllers/pass/credential.go",
				`generation < 0 || generation > LastGeneration`,
				`generation < 0`},
		},
		guards: []guard{within("ibmcloud", "TestWhichKeysAreOurs")},
	},
}
