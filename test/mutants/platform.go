// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofPlatform are mistakes about the platform, what is read from it and when.
var ofPlatform = []mutant{
	{
		name:    "stall-is-final",
		pattern: "an unstable state hides the repair",
		edits: []edit{
			{"controllers/deletion.go",
				`	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, objects.CleanupFinalizer) {`,
				`	if meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Stalled) {
		return pass.Waiting(edgev1.ReasonPending, "it is stalled")
	}
	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, objects.CleanupFinalizer) {`},
		},
		guards: []guard{controllers("TestAccessBeyondTheProjectIsNotHandedOn|TestDeletionOfWhatIsStalled|TestAPullerThatMayPushStopsForAPerson")},
	},
	{
		name:    "first-router-only",
		pattern: "valid input makes the operator panic",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`range route.Status.Ingress {`,
				`range route.Status.Ingress[:1] {`},
		},
		guards: []guard{within("openshift", "TestTheHostIsTheOneThatARouterAdmitted")},
	},
	{
		name:    "ca-forgotten-by-restart",
		pattern: "a crash leaves less security than there was",
		edits: []edit{
			{"controllers/ca.go",
				`	record := p.Record.CA
`,
				`	var record *edgev1.CAStatus
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^another_CA$")},
	},
	{
		name:    "ca-taken-from-the-peer",
		pattern: "a fall-back is silent and insecure",
		edits: []edit{
			{"controllers/trust.go",
				`		return p.checkRolling(presented, near, last, err)
	}
	return finding`,
				`		own, strange := trust.Verify(p.Registry.Host, presented, []trust.Candidate{{PEM: trust.EncodePEM(presented)}}, p.Now)
		if strange != nil {
			return p.checkRolling(presented, near, last, err)
		}
		bundle = own
	}
	return finding`},
		},
		guards: []guard{controllers("TestWhileNothingVerifiesTheLastGoodCAStays")},
	},
	{
		name:    "refusal-taken-for-absence",
		pattern: "a forbidden read counts as an absent object",
		edits: []edit{
			{"controllers/openshift/ca_sources.go",
				`	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace`,
				`	if client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace`},
		},
		guards: []guard{faults("TestARightThatIsMissingIsToldByNameAndHealsByItself/^install$")},
	},
	{
		name:    "ca-found-once",
		pattern: "a change of the source is not noticed",
		edits: []edit{
			{"controllers/trust.go",
				`	found, err := p.findCA(ctx, last)
`,
				`	if last.usable() {
		p.publishCA(finding{Bundle: last.Bundle}, last)
		return pass.DoneBecause(edgev1.ReasonTrusted, "%s was verified before", p.Registry.Host), nil
	}
	found, err := p.findCA(ctx, last)
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^another_CA$")},
	},
	{
		name:    "project-by-name",
		pattern: "what an earlier object of the same name left is taken over",
		edits: []edit{
			{"controllers/openshift/names.go",
				`return fmt.Sprintf("[EdgeRegistry %s %s]", name, uid)`,
				`return fmt.Sprintf("[EdgeRegistry %s %.0s]", name, uid)`},
		},
		guards: []guard{within("openshift", "TestAnOwnerMarkIsOfOneEdgeRegistry"), controllers("TestDeletionPolicyDelete")},
	},
	{
		name:    "route-of-others-switched-off",
		pattern: "two objects set one cluster-wide field differently",
		edits: []edit{
			{"controllers/openshift/default_route.go",
				`	if err != nil || len(users) > 0 {
`,
				`	if err != nil || len(users) > 1 {
`},
		},
		guards: []guard{controllers("TestDeletionRestoresTheDefaultRoute")},
	},
	{
		name:    "stale-cache-believed",
		pattern: "a stale read reverts a newer state",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`return !seen.wrong && !watches.Newer(seen.version, edge.ResourceVersion)`,
				`return !seen.wrong`},
		},
		guards: []guard{controllers("TestACacheBehindTheOperatorsLastWriteIsNotBelieved")},
	},
	{
		name:    "restart-believes-its-cache",
		pattern: "a stale read reverts a newer state",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`return !controllerutil.ContainsFinalizer(edge, objects.CleanupFinalizer)`,
				`return edge.UID != "" || !controllerutil.ContainsFinalizer(edge, objects.CleanupFinalizer)`},
		},
		guards: []guard{faults("TestAnOperatorThatBeginsInThePastTouchesNothing/^another_role$")},
	},
	{
		name:    "old-route-believed",
		pattern: "a stale read reverts a newer state",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`err == nil && host == s.remembered().host {`,
				`err == nil && host != "" {`},
		},
		guards: []guard{faults("TestAnOperatorThatBeginsInThePastTouchesNothing/^another_host$")},
	},
	{
		name:    "conflict-meets-the-same-copy",
		pattern: "an event is missed, and nothing makes up for it",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`		r.seen(edge).known, r.seen(edge).wrong = true, true
`,
				``},
		},
		guards: []guard{faults("TestALostEventIsMadeUpForByTheNextLook/^another_role$")},
	},
	{
		name:    "copy-never-listed-again",
		pattern: "an event is missed, and nothing makes up for it",
		edits: []edit{
			{"controllers/watches/informer.go",
				`>= relistAfter {`,
				`>= 1000*relistAfter {`},
		},
		guards: []guard{within("watches", "TestAnEventAboutAPlatformObjectThatWasLostIsMadeUpFor")},
	},
	{
		name:    "watch-error-swallowed",
		pattern: "an event is missed, and nothing makes up for it",
		edits: []edit{
			{"controllers/watches/triggers.go",
				`				f.version = ""
			}
			backoff = pause`,
				`			}
			backoff = pause`},
		},
		guards: []guard{within("watches", "TestFollowLooksAgainWheneverSomethingMayHaveBeenMissed")},
	},
	{
		name:    "watch-made-again-in-silence",
		pattern: "an event is missed, and nothing makes up for it",
		edits: []edit{
			{"controllers/watches/triggers.go",
				`		if f.version == "" && f.lost != nil && ctx.Err() == nil {
`,
				`		if f.version == "" && f.lost != nil && ctx.Err() == nil {
			if f.events, err = t.open(ctx, f.source, ""); err == nil {
				continue
			}
`},
		},
		guards: []guard{faults("TestABrokenWatchHidesNothing/^secrets_of_NAME-copies$/^says_410_Gone$")},
	},
	{
		name:    "cut-taken-for-an-end",
		pattern: "a restored object is recognised by its resource version alone",
		edits: []edit{
			{"controllers/apiserver/bounded_watches.go",
				`time.Now().Before(b.due) {`,
				`b.due.IsZero() {`},
		},
		guards: []guard{within("apiserver", "TestAWatchThatEndsBeforeItsTimeIsNoReasonToGoOnWhereItWas")},
	},
	{
		name:    "copies-believed-unwatched",
		pattern: "a restored object is recognised by its resource version alone",
		edits: []edit{
			{"controllers/watches/copies.go",
				`func() { t.doubt(target) }`,
				`func() { t.enqueue(target.edge) }`},
		},
		guards: []guard{faults("TestARestoreOfEtcdIsLivedThrough/^copies_made$")},
	},
	{
		name:    "record-of-a-time-taken-back",
		pattern: "a restored object is recognised by its resource version alone",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`		*pass.Part[stored](r.memories.Of(edge)) = stored{}
`,
				``},
		},
		guards: []guard{controllers("TestARecordIsReadAgainOnceEtcdWentBack")},
	},
	{
		name:    "copies-off-the-record",
		pattern: "an irreversible act comes before its record",
		edits: []edit{
			{"controllers/record.go",
				`			return p.confirmRecord(ctx, kept)`,
				`			return nil`},
		},
		guards: []guard{controllers("TestACopyIsMadeOnlyOfWhatEtcdHasOnRecord")},
	},
	{
		name:    "went-back-unseen",
		pattern: "a restored object is recognised by its resource version alone",
		edits: []edit{
			{"controllers/manager.go",
				`return watches.Newer(e.ObjectOld.GetResourceVersion(), e.ObjectNew.GetResourceVersion())`,
				`return e.ObjectOld == nil`},
		},
		guards: []guard{controllers("TestAnEdgeRegistryThatWentBackIsLookedAt")},
	},
	{
		name:    "watch-without-end",
		pattern: "a silent server is waited for without end",
		edits: []edit{
			{"controllers/apiserver/connection.go",
				`	config.Wrap(boundWatches)
`, ``},
		},
		guards: []guard{faults("TestABrokenWatchHidesNothing/^secrets_of_NAME$/^is_closed$")},
	},
	{
		name:    "outage-is-final",
		pattern: "a passing failure is taken for a lasting one",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`	if err != nil {
		return ctrl.Result{}, err
	}
	observeStored`,
				`	if err != nil && apierrors.ReasonForError(err) == "" {
		// Without a status it is nothing that the API server said.
		return ctrl.Result{}, reconcile.TerminalError(err)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	observeStored`},
			{"controllers/edgeregistry_controller.go",
				`	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
`,
				`	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
`},
		},
		guards: []guard{faults("TestAnOutageAtAnyWriteIsSurvived/^rotate$/^the_API_server_is_killed_before_create_secrets")},
	},
	{
		name:    "own-writes-wake-it",
		pattern: "an operator's writes trigger its own reconciliation",
		edits: []edit{
			{"controllers/openshift/bound_secret.go",
				`return object.GetLabels()[objects.KindLabel] != objects.KindBound || isMarked(object)`,
				`return object != nil || isMarked(object)`},
		},
		guards: []guard{faults("TestTheTroubleOfOneEdgeRegistryIsNotAnothers/^install$/^an_internal_error_at_each_create_serviceaccounts/^token_NAME/^edge-publisher$")},
	},
	{
		name:    "terminating-is-forbidden",
		pattern: "a temporary refusal is taken for missing rights",
		edits: []edit{
			{"controllers/objects/refusal.go",
				`case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):`,
				`case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) && !apierrors.IsForbidden(err):`},
		},
		guards: []guard{controllers("TestProjectThatIsDeletedDuringAPassIsWaitedFor")},
	},
	{
		name:    "conflict-untold",
		pattern: "a failure is retried in silence, and the status reports success",
		edits: []edit{
			{"controllers/pass/conflicts.go",
				`if before < conflictsUnreported-1 || !apierrors`,
				`if before >= 0 || !apierrors`},
			{"controllers/pass/conflicts.go",
				`return known == nil && row.passes < conflictsUnreported`,
				`return known == nil`},
		},
		guards: []guard{controllers("TestOneMintForOneCauseHoweverLongItsPublicationIsRefused/by_a_conflict")},
	},
	{
		name:    "conflict-without-pause",
		pattern: "a repair is reverted at once, and the two go on for ever",
		edits: []edit{
			{"controllers/pass/conflicts.go",
				`if row := Part[conflicts](s.Memory); row.passes >= conflictsUnreported {`,
				`if row := Part[conflicts](s.Memory); row.passes < 0 {`},
		},
		guards: []guard{controllers("TestAConflictThatRepeatsIsToldAndNotTriedWithoutPause/a_tenant_who_is_there_first_each_time")},
	},
	{
		name:    "absent-is-forbidden",
		pattern: "an absent object is taken for a forbidden one",
		edits: []edit{
			{"controllers/openshift/exposure.go",
				`	case apierrors.IsNotFound(err):
		return pass.Stalled(edgev1.ReasonAPIAbsent,`,
				`	case apierrors.IsNotFound(err) && !apierrors.IsForbidden(refusal):
		return pass.Stalled(edgev1.ReasonAPIAbsent,`},
		},
		guards: []guard{binary("TestOnPlainKubernetes")},
	},
}
