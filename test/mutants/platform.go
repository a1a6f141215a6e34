// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofPlatform are mistakes about the platform, what is read from it and when.
var ofPlatform = []mutant{
	{
		name:    "stall-is-final",
		pattern: "a state that is not stable keeps the repair from being read",
		edits: []edit{
			{"controllers/deletion.go",
				`	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, cleanupFinalizer) {`,
				`	if meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Stalled) {
		return waiting(edgev1.ReasonPending, "it is stalled")
	}
	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, cleanupFinalizer) {`},
		},
		guards: []guard{controllers("TestAccessBeyondTheProjectIsNotHandedOn|TestDeletionOfWhatIsStalled|TestPullerThatMayPush|TestAPullerThatMayPushStopsForAPerson")},
	},
	{
		name:    "first-router-only",
		pattern: "valid input makes the operator panic",
		edits: []edit{
			{"controllers/exposure.go",
				`range route.Status.Ingress {`,
				`range route.Status.Ingress[:1] {`},
		},
		guards: []guard{controllers("TestTheHostIsTheOneThatARouterAdmitted")},
	},
	{
		name:    "ca-forgotten-by-restart",
		pattern: "a crash leaves less security behind than there was",
		edits: []edit{
			{"controllers/ca.go",
				`	record := s.edge.Status.CA
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
				`		return s.checkRolling(presented, near, last, err)
	}
	return finding`,
				`		own, strange := trust.Verify(s.host, presented, []trust.Candidate{{PEM: trust.EncodePEM(presented)}}, s.now)
		if strange != nil {
			return s.checkRolling(presented, near, last, err)
		}
		bundle = own
	}
	return finding`},
		},
		guards: []guard{controllers("TestWhileNothingVerifiesTheLastGoodCAStays")},
	},
	{
		name:    "refusal-taken-for-absence",
		pattern: "what may not be read counts as what is not there",
		edits: []edit{
			{"controllers/candidates.go",
				`	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace`,
				`	if client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace`},
		},
		guards: []guard{faults("TestARightThatIsMissingIsToldByNameAndHealsByItself/^install$")},
	},
	{
		name:    "ca-found-once",
		pattern: "a change of the source is not seen",
		edits: []edit{
			{"controllers/trust.go",
				`	found, err := r.findCA(ctx, s, last)
`,
				`	if last.usable() {
		r.publishCA(s, finding{Bundle: last.Bundle}, last)
		return doneBecause(edgev1.ReasonTrusted, "%s was verified before", s.host), nil
	}
	found, err := r.findCA(ctx, s, last)
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^another_CA$")},
	},
	{
		name:    "project-by-name",
		pattern: "what the last object of the same name left is taken over",
		edits: []edit{
			{"controllers/names.go",
				`return fmt.Sprintf("[EdgeRegistry %s %s]", name, uid)`,
				`return fmt.Sprintf("[EdgeRegistry %s %.0s]", name, uid)`},
		},
		guards: []guard{controllers("TestAnOwnerMarkIsOfOneEdgeRegistry|TestDeletionPolicyDelete")},
	},
	{
		name:    "route-of-others-switched-off",
		pattern: "two objects set one thing of the cluster each its own way",
		edits: []edit{
			{"controllers/exposure_contest.go",
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
				`return seen != "" && !newer(seen.(string), edge.ResourceVersion)`,
				`return seen != ""`},
		},
		guards: []guard{controllers("TestACacheBehindTheOperatorsLastWriteIsNotBelieved")},
	},
	{
		name:    "restart-believes-its-cache",
		pattern: "a stale read reverts a newer state",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`return !controllerutil.ContainsFinalizer(edge, cleanupFinalizer)`,
				`return edge.UID != "" || !controllerutil.ContainsFinalizer(edge, cleanupFinalizer)`},
		},
		guards: []guard{faults("TestAnOperatorThatBeginsInThePastTouchesNothing/^another_role$")},
	},
	{
		name:    "old-route-believed",
		pattern: "a stale read reverts a newer state",
		edits: []edit{
			{"controllers/exposure.go",
				`err == nil && host == s.edge.Status.Host {`,
				`err == nil && host != "" {`},
		},
		guards: []guard{faults("TestAnOperatorThatBeginsInThePastTouchesNothing/^another_host$")},
	},
	{
		name:    "conflict-meets-the-same-copy",
		pattern: "a change is missed, and nothing looks again",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`		r.seen.Store(edge.Name, "")
`,
				`		r.seen.Load(edge.Name)
`},
		},
		guards: []guard{faults("TestALostEventIsMadeUpForByTheNextLook/^another_role$")},
	},
	{
		name:    "copy-never-listed-again",
		pattern: "a change is missed, and nothing looks again",
		edits: []edit{
			{"controllers/mirror.go",
				`>= relistAfter {`,
				`>= 1000*relistAfter {`},
		},
		guards: []guard{controllers("TestAnEventAboutAPlatformObjectThatWasLostIsMadeUpFor")},
	},
	{
		name:    "watch-error-swallowed",
		pattern: "a change is missed, and nothing looks again",
		edits: []edit{
			{"controllers/wakers.go",
				`			resourceVersion = ""
		}
		if time`,
				`		}
		if time`},
		},
		guards: []guard{controllers("TestFollowLooksAgainWheneverSomethingMayHaveBeenMissed")},
	},
	{
		name:    "watch-made-again-in-silence",
		pattern: "a change is missed, and nothing looks again",
		edits: []edit{
			{"controllers/copies_watch.go",
				`		if err != nil || version == "" {
`,
				`		if err != nil || version == "" {
			if events, err = open(""); err == nil {
				continue
			}
`},
		},
		guards: []guard{faults("TestABrokenWatchHidesNothing/^secrets_of_NAME-copies$/^says_410_Gone$")},
	},
	{
		name:    "cut-taken-for-an-end",
		pattern: "what was restored is told apart from what was by its version alone",
		edits: []edit{
			{"controllers/watches.go",
				`time.Now().Before(b.due) {`,
				`b.due.IsZero() {`},
		},
		guards: []guard{controllers("TestAWatchThatEndsBeforeItsTimeIsNoReasonToGoOnWhereItWas")},
	},
	{
		name:    "copies-believed-unwatched",
		pattern: "what was restored is told apart from what was by its version alone",
		edits: []edit{
			{"controllers/copies_watch.go",
				`			w.doubt(target)
`,
				`			w.wake(edge)
`},
		},
		guards: []guard{faults("TestARestoreOfEtcdIsLivedThrough/^copies_made$")},
	},
	{
		name:    "went-back-unseen",
		pattern: "what was restored is told apart from what was by its version alone",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`return newer(e.ObjectOld.GetResourceVersion(), e.ObjectNew.GetResourceVersion())`,
				`return e.ObjectOld == nil`},
		},
		guards: []guard{controllers("TestAnEdgeRegistryThatWentBackIsLookedAt")},
	},
	{
		name:    "watch-without-end",
		pattern: "what says nothing is waited for without end",
		edits: []edit{
			{"controllers/manager.go",
				`	config.Wrap(boundWatches)
`, ``},
		},
		guards: []guard{faults("TestABrokenWatchHidesNothing/^secrets_of_NAME$/^is_closed$")},
	},
	{
		name:    "outage-is-final",
		pattern: "a failure that passes is taken for one that lasts",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`	case err != nil:
		return ctrl.Result{}, err
	case !edge`,
				`	case err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
		// Without a status it is nothing that the API server said.
		return ctrl.Result{}, reconcile.TerminalError(err)
	case err != nil:
		return ctrl.Result{}, err
	case !edge`},
		},
		guards: []guard{faults("TestAnOutageAtAnyWriteIsSurvived/^rotate$/^the_API_server_is_killed_before_create_secrets")},
	},
	{
		name:    "own-writes-wake-it",
		pattern: "an operator wakes itself by what it writes",
		edits: []edit{
			{"controllers/wakers.go",
				`return object.GetLabels()[kindLabel] == kindAnchor && !wasPublished(object)`,
				`return false && !wasPublished(object)`},
		},
		guards: []guard{faults("TestTheTroubleOfOneEdgeRegistryIsNotAnothers/^install$/^an_internal_error_at_each_create_serviceaccounts/^token_NAME/^edge-publisher$")},
	},
	{
		name:    "terminating-is-forbidden",
		pattern: "a refusal that ends by itself is taken for a lack of rights",
		edits: []edit{
			{"controllers/project.go",
				`		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			return done{}, waiting(edgev1.ReasonProjectTerminating, "project %q is being deleted: it is requested again when it is gone", s.project)
`,
				``},
		},
		guards: []guard{controllers("TestProjectThatIsDeletedDuringAPassIsWaitedFor")},
	},
	{
		name:    "conflict-untold",
		pattern: "a failure is tried again in silence, and the status says that all is well",
		edits: []edit{
			{"controllers/conflicts.go",
				`if s.conflicts < conflictsUntold-1 || !apierrors`,
				`if true || !apierrors`},
			{"controllers/conflicts.go",
				`return !told && row.passes < conflictsUntold`,
				`return !told`},
		},
		guards: []guard{controllers("TestOneMintForOneCauseHoweverLongItsPublicationIsRefused/by_a_conflict")},
	},
	{
		name:    "conflict-without-pause",
		pattern: "a repair wakes whoever undoes it, and the two go on for ever",
		edits: []edit{
			{"controllers/conflicts.go",
				`if row.passes >= conflictsUntold {`,
				`if row.passes < 0 {`},
		},
		guards: []guard{controllers("TestAConflictThatRepeatsIsToldAndNotTriedWithoutPause/a_tenant_who_is_there_first_each_time")},
	},
}
