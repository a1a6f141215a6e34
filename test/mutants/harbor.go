// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofHarbor are mistakes about robots of Harbor: about what is ours there, and about replies that are lost.
var ofHarbor = []mutant{
	{
		name:    "account-to-any-host",
		pattern: "a permission granted to one object is used by another",
		edits: []edit{
			{"controllers/external/harbor_account.go",
				`	case !slices.ContainsFunc(objects.Listed(secret, hostsAnnotation), isHost):`,
				`	case false && isHost(""):`},
		},
		guards: []guard{controllers("TestWhatAnAccountOfHarborDoesNotSayIsRefused/for_another_host")},
	},
	{
		name:    "account-in-any-project",
		pattern: "what a permission does not mention is allowed",
		edits: []edit{
			{"controllers/external/harbor_account.go",
				`	case !slices.Contains(objects.Listed(secret, projectsAnnotation), s.harbor.Project):`,
				`	case len(objects.Listed(secret, projectsAnnotation)) == 0:`},
		},
		guards: []guard{controllers("TestWhatAnAccountOfHarborDoesNotSayIsRefused/for_another_project")},
	},
	{
		name:    "robot-by-its-name",
		pattern: "an object is taken for the operator's by a name that others can choose",
		edits: []edit{
			{"controllers/external/robots.go",
				`	if !named || r.Level != "project" || !strings.Contains(r.Description, s.mark()) {`,
				`	if !named || r.Level != "project" {`},
		},
		guards: []guard{controllers("TestALoginThatATenantWroteIsNeverTakenForARobots")},
	},
	{
		name:    "rights-learned-by-failing",
		pattern: "a missing right is noticed only when it is needed",
		edits: []edit{
			{"controllers/external/harbor_rights.go",
				`	if lacking := s.lacking(); lacking != "" {
		return pass.Stalled(`,
				`	if lacking := s.lacking(); lacking == "-" {
		return pass.Stalled(`},
		},
		guards: []guard{controllers("TestARightThatTheAccountLacksIsNamed/robot:update")},
	},
	{
		name:    "lost-robot-beside-another",
		pattern: "a request whose reply was lost is made once more",
		edits: []edit{
			{"controllers/external/harbor_issuer.go",
				`		if l.Begun == nil && s.isFresh(r, l) {`,
				`		if s.isFresh(r, l) {
			continue
		}
		if l.Begun == nil && s.isFresh(r, l) {`},
		},
		guards: []guard{controllers("TestACallToHarborThatGoesWrongLeavesNoUnknownRobot/its_reply_is_lost,_restart_true")},
	},
	{
		name:    "robot-ended-when-followed",
		pattern: "a published credential ends when it is replaced",
		edits: []edit{
			{"controllers/external/harbor_retire.go",
				`		return issued.ExpiresAt.Time
	}
	return r.hardEnd()`,
				`		return issued.IssuedAt.Time
	}
	return r.hardEnd()`},
		},
		guards: []guard{controllers("TestRobotsOverlap")},
	},
	{
		name:    "robots-left-at-deletion",
		pattern: "a deletion removes what is remembered instead of what exists",
		edits: []edit{
			{"controllers/external/harbor_cleanup.go",
				`	if !s.Record.Minting && !s.Record.Lost && len(s.Record.Issued) == 0 {`,
				`	if len(s.Record.Issued) >= 0 {`},
		},
		guards: []guard{controllers("TestACallToHarborThatGoesWrongLeavesNoUnknownRobot/it_is_not_reached,_restart_false")},
	},
	{
		name:    "published-secret-believed",
		pattern: "what a tenant can write is believed",
		edits: []edit{
			{"controllers/external/harbor_issuer.go",
				`		return i.Role == l.Role && i.User == carried.user && i.Matches(carried.token)`,
				`		return i.Role == l.Role && (i.Matches(carried.token) || !carried.token.IsZero())`},
		},
		guards: []guard{controllers("TestALoginThatATenantWroteIsNeverTakenForARobots")},
	},
	{
		name:    "changed-robot-called-revoked",
		pattern: "a failed act is reported as done",
		edits: []edit{
			{"controllers/external/harbor_issuer.go",
				`	if err == nil && became == leftAlone {`,
				`	if err == nil && became == leftAlone && false {`},
		},
		guards: []guard{controllers("TestARobotThatIsNotDeletedIsNotCalledRevoked")},
	},
	{
		name:    "left-robot-untold",
		pattern: "what a deletion leaves is not reported",
		edits: []edit{
			{"controllers/external/harbor_cleanup.go",
				`	if err == nil && len(left) > 0 {`,
				`	if err == nil && len(left) < 0 {`},
		},
		guards: []guard{controllers("TestARobotThatADeletionLeavesIsNamed")},
	},
	{
		name:    "list-taken-for-all",
		pattern: "one answer is taken for proof of absence",
		edits: []edit{
			{"controllers/external/harbor_issuer.go",
				`err != nil || found != nil {
			return why, err`,
				`err != nil || (found != nil && false) {
			return why, err`},
		},
		guards: []guard{controllers("TestARobotThatAListLacksIsNotTakenForGone")},
	},
	{
		name:    "project-of-before",
		pattern: "what was found once is not asked for anew",
		edits: []edit{
			{"controllers/external/robots.go",
				`	all, err := client.Robots(ctx, project)`,
				`	if m.projectID != 0 {
		project.ID = m.projectID
	}
	all, err := client.Robots(ctx, project)`},
		},
		guards: []guard{controllers("TestAProjectThatWasMadeAgainIsFoundAgain")},
	},
	{
		name:    "off-the-record-is-dead",
		pattern: "what is not on record is taken for absent",
		edits: []edit{
			{"controllers/external/harbor_retire.go",
				`		if r.role != l.Role || r.Disable || `,
				`		if r.role != l.Role || !r.Disable || `},
		},
		guards: []guard{controllers("TestARobotOfBeforeALostRecordIsRevoked")},
	},
	{
		name:    "robot-with-any-rights",
		pattern: "a found object is used whatever its rights are",
		edits: []edit{
			{"controllers/external/harbor_issuer.go",
				` && r.MayAs(s.wanted(l, r.generation))`,
				``},
		},
		guards: []guard{controllers("TestARobotThatLooksLikeOneThatWasLostIsNotPublished/with_more_rights")},
	},
}
