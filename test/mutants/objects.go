// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofObjects are mistakes about the objects of a project, their owners and their end.
var ofObjects = []mutant{
	{
		name:    "binding-behind-account",
		pattern: "the existence of one object stands for that of another",
		edits: []edit{
			{"controllers/openshift/access.go",
				`		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
`,
				`		if known := s.accounts[l.Account]; known != nil {
			l.accountUID = known.UID
			continue
		}
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^install$")},
	},
	{
		name:    "spread-once",
		pattern: "a follow-up is lost when the operator dies before it",
		edits: []edit{
			{"controllers/secrets.go",
				`		if err := p.syncCopies(ctx, pub); err != nil {`,
				`		if !pub.Credential.Fresh && slices.Equal(pub.copies.targets, pub.copies.holders) {
			continue
		}
		if err := p.syncCopies(ctx, pub); err != nil {`},
		},
		guards: []guard{faults("TestACrashAtAnyCallEndsInTheSameState/^copies_made_and_taken_back$")},
	},
	{
		name:    "copies-never-removed",
		pattern: "what is removed from the spec stays in the cluster",
		edits: []edit{
			{"controllers/copies.go",
				`job.err = p.deleteCopy(ctx, job, pub.Secret, objects.OwnedBy)`,
				`job.err = nil`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^copies_made_and_taken_back$"), controllers("TestCopiesOfATargetThatIsTakenOffAreRemoved")},
	},
	{
		name:    "rival-answered-without-end",
		pattern: "a repair is reverted at once, and the two go on for ever",
		edits: []edit{
			{"controllers/objects/repair_limit.go",
				`	if left >= 1 {`,
				`	if left >= 0 {`},
		},
		guards: []guard{faults("TestARivalIsNotAnsweredWithoutEnd/^the_copy")},
	},
	{
		name:    "foreign-copy-deleted",
		pattern: "an object of others is deleted by its name",
		edits: []edit{
			{"controllers/copies.go",
				`if err != nil || live == nil || !ours(live, p.Edge.UID) {`,
				`if err != nil || live == nil {`},
		},
		guards: []guard{controllers("TestRemoveCopiesTakesAllThatItMay|TestCopiesLeaveAForeignSecretOfTheirNameAlone|TestCopiesOfTwoEdgeRegistriesDoNotCollide")},
	},
	{
		name:    "copies-owned-by-original",
		pattern: "an owner in another namespace makes the garbage collector delete what is in use",
		edits: []edit{
			{"controllers/objects/owner.go",
				`	object.SetOwnerReferences([]metav1.OwnerReference{*owner})`,
				`	owners := []metav1.OwnerReference{*owner}
	if IsCopy(object) {
		owners = append(owners, object.GetOwnerReferences()...)
	}
	object.SetOwnerReferences(owners)`},
			{"controllers/copies.go",
				`	targets := sets.New(c.targets...)
`,
				`	targets, template := sets.New(c.targets...), c.template
	original := p.Secrets[pub.Secret]
	owner := original.OwnerReferences[0]
	owner.APIVersion, owner.Kind, owner.Name, owner.UID, owner.Controller, owner.BlockOwnerDeletion = "v1", "Secret", original.Name, original.UID, nil, nil
	template.OwnerReferences = append(template.OwnerReferences[:0:0], owner)
`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^copies_made_and_taken_back$")},
	},
	{
		name:    "owner-by-kind",
		pattern: "an object is identified by name or kind instead of UID",
		edits: []edit{
			{"controllers/objects/owner.go",
				`		if owner.UID == uid {`,
				`		if owner.Kind == "EdgeRegistry" && uid != "" {`},
		},
		guards: []guard{controllers("TestSharedProjectWithTakenNamesIsNotWrittenByTheLaterOne|TestCopiesOfTwoEdgeRegistriesDoNotCollide")},
	},
	{
		name:    "always-different",
		pattern: "a comparison never finds two things equal",
		edits: []edit{
			{"controllers/objects/diff.go",
				`		case key == "apiVersion" || key == "kind":
			// A typed object that was read does not repeat its kind.
`,
				``},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^no-op$")},
	},
	{
		name:    "status-written-each-pass",
		pattern: "an operator at rest writes what is already there",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
`,
				`	_ = equality.Semantic
`},
		},
		guards: []guard{sampled("TestAStateThatDoesNotChangeCausesNoWrite")},
	},
	{
		name:    "labels-never-removed",
		pattern: "a merge adds and never removes",
		edits: []edit{
			{"controllers/objects/writer.go",
				`!contains(have, want.Object), ownsMore(live, want), nil`,
				`!contains(have, want.Object), false, nil`},
		},
		guards: []guard{controllers("TestSecretsCarryLabelsAndAnnotationsOfTheSpec")},
	},
	{
		name:    "role-changed-in-place",
		pattern: "an immutable field is written again and again",
		edits: []edit{
			{"controllers/objects/writer.go",
				`return live.(*rbacv1.RoleBinding).RoleRef != want.RoleRef`,
				`return live.(*rbacv1.RoleBinding).RoleRef.Kind != want.RoleRef.Kind`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^another_role$")},
	},
	{
		name:    "delete-without-uid",
		pattern: "a deletion hits a new object of the same name",
		edits: []edit{
			{"controllers/objects/writer.go",
				`w.Delete(ctx, live, client.Preconditions{UID: ptr.To(live.GetUID())})`,
				`w.Delete(ctx, live)`},
		},
		guards: []guard{sampled("TestACrashAtAnyCallEndsInTheSameState/^another_role$")},
	},
	{
		name:    "conflict-is-gone",
		pattern: "a refusal is taken for success",
		edits: []edit{
			{"controllers/openshift/revoke.go",
				`		case apierrors.IsNotFound(err):
			// It went by itself.
`,
				`		case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
			// It went by itself.
`},
		},
		guards: []guard{faults("TestAFaultAtAnyCallHealsByItself/^(delete|delete_with_the_project|delete_and_recreate)$/^a_conflict")},
	},
	{
		name:    "acts-for-the-gone",
		pattern: "a stale operator acts for an object that was deleted or recreated",
		edits: []edit{
			{"controllers/objects/writer.go",
				`	if live.UID != s.Edge.UID || !live.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(live, CleanupFinalizer) {`,
				`	if !controllerutil.ContainsFinalizer(live, CleanupFinalizer) && live.UID == "" {`},
		},
		guards: []guard{controllers("TestDeletionIsNotUndoneByAnOperatorThatWasReplaced|TestProjectIsNotRequestedForAnEdgeRegistryThatIsGone")},
	},
	{
		name:    "acts-by-name",
		pattern: "a stale operator acts for an object that was deleted or recreated",
		edits: []edit{
			{"controllers/objects/writer.go",
				`	if live.UID != s.Edge.UID || !live.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(live, CleanupFinalizer) {`,
				`	if !live.DeletionTimestamp.IsZero() {`},
			{"controllers/objects/writer.go",
				`	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
`, ``},
		},
		guards: []guard{faults("TestWhatWasUndoneUnseenIsMendedAllTheSame/^untold_the_EdgeRegistry_is_deleted_and_recreated$")},
	},
	{
		name:    "adopted-by-name",
		pattern: "an object of others is adopted by its name",
		edits: []edit{
			{"controllers/objects/writer.go",
				`	if !OwnedBy(live, e.scope.Edge.UID) {
		return nil, NotOurs(e.name)
	}
`,
				`	if !OwnedBy(live, e.scope.Edge.UID) {
		ours := live.DeepCopyObject().(client.Object)
		ours.SetLabels(e.desired.GetLabels())
		ours.SetOwnerReferences(e.desired.GetOwnerReferences())
		if err := e.Patch(ctx, ours, client.MergeFrom(live), client.FieldOwner(FieldManager)); err != nil {
			return nil, err
		}
		live = ours
	}
`},
		},
		guards: []guard{faults("TestWhatWasThereBeforeIsNotAdopted/^the_copy_meets_another_EdgeRegistry's$")},
	},
	{
		name:    "revocation-left-to-the-collector",
		pattern: "garbage collection is trusted with what it can be asked to orphan",
		edits: []edit{
			{"controllers/openshift/session.go",
				`		{What: "revoke the tokens", Run: s.revokeTokens},
`, ``},
		},
		guards: []guard{sampled("TestWhatIsRevokedIsRefused/^the_EdgeRegistry_is_deleted_and_its_objects_are_to_stay$")},
	},
	{
		name:    "gone-is-an-error",
		pattern: "a resumed deletion fails on absent objects",
		edits: []edit{
			{"controllers/openshift/cleanup.go",
				`	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err) && state.requested`,
				`	case apierrors.IsForbidden(err) && state.requested`},
			{"controllers/openshift/cleanup.go",
				`	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if err != nil {
		return nil, fmt.Errorf("read project`,
				`	if err != nil {
		return nil, fmt.Errorf("read project`},
		},
		guards: []guard{faults("TestADeletionAtAnyMomentEnds/^delete$/^the_project_is_deleted_and_gone_before_list_secrets_NAME$")},
	},
	{
		name:    "apply-without-version",
		pattern: "a write of an operator that was replaced undoes what its successor did",
		edits: []edit{
			{"controllers/objects/writer.go",
				`	want.SetResourceVersion(live.GetResourceVersion())
`, ``},
		},
		guards: []guard{faults("TestAWriteThatComesLateChangesNothing/^rotate")},
	},
	{
		name:    "copy-watched-from-now",
		pattern: "a change between a write and the start of its watch is missed",
		edits: []edit{
			{"controllers/watches/copies.go",
				`		since = target.left()
`, `		since = ""
`},
		},
		guards: []guard{controllers("TestACopyThatChangesBeforeItIsWatchedIsHealed")},
	},
	{
		name:    "change-without-version",
		pattern: "a write overwrites a concurrent change",
		edits: []edit{
			{"controllers/objects/writer.go",
				`metadata["resourceVersion"], change["metadata"] = version, metadata`,
				`metadata["annotations"], change["metadata"] = metadata["annotations"], metadata`},
		},
		guards: []guard{controllers("TestACopyThatIsNotAsItWasKnownIsReadAndMended")},
	},
	{
		name:    "refusal-on-record",
		pattern: "a refused write is treated as done",
		edits: []edit{
			{"controllers/copies.go",
				`			if refused && c.due[job.namespace] == (dueCopy{}) {`,
				`			if refused && c.due[job.namespace].live != nil {`},
		},
		guards: []guard{controllers("TestANamespaceThatRefusesItsCopyComesOffTheRecord")},
	},
	{
		name:    "left-before-an-outage",
		pattern: "a restored object is recognised by its resource version alone",
		edits: []edit{
			{"controllers/watches/triggers.go",
				`	namespaces.doubt = t.wentAway
`, ``},
		},
		guards: []guard{within("watches", "TestCopiesThatNoWatchTellsOfAreForgottenWhenTheAPIServerGoesAway")},
	},
	{
		name:    "failure-untold",
		pattern: "a failure is retried in silence, and the status reports success",
		edits: []edit{
			{"controllers/edgeregistry_controller.go",
				`	pass.Summarize(edge, result.Pending, pass.IsStalled(result.Err), readyMessage(s))
`,
				`	if result.Err != nil && !pass.IsStalled(result.Err) {
		return ctrl.Result{}, result.Err
	}
	pass.Summarize(edge, result.Pending, pass.IsStalled(result.Err), readyMessage(s))
`},
		},
		guards: []guard{faults("TestAFaultThatLastsIsToldAndHealsByItself/^rotate$")},
	},
	{
		name:    "own-change-counted",
		pattern: "an operator takes its own change for drift",
		edits: []edit{
			{"controllers/objects/repair_limit.go",
				`return made == wanted`,
				`return made > 0 || wanted > 0`},
		},
		guards: []guard{controllers("TestAccessFollowsAChangeOfTheRole|TestSecretsCarryLabelsAndAnnotationsOfTheSpec")},
	},
	{
		name:    "memory-by-name",
		pattern: "what an earlier object of the same name left is taken over",
		edits: []edit{
			{"controllers/pass/memory.go",
				`		m.forget(edge.Name)
	}
	if m.byUID`,
				`		m.byUID[edge.UID] = m.byUID[before]
	}
	if m.byUID`},
		},
		guards: []guard{within("pass", "TestMemoriesAreOfOneUID")},
	},
}
