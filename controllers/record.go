// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// +kubebuilder:rbac:groups="",namespace=edge-registry-system,resources=secrets,verbs=create;delete;get;update

// The record of an EdgeRegistry is a Secret in the operator's own namespace that nobody else writes. So a process reads it once, and
// it holds what this process wrote last, unless etcd was restored from an older copy. It is created before the finalizer is set: an
// EdgeRegistry with the finalizer and without a record has lost it.

// recordKey is the key of the record in its Secret, as JSON.
const recordKey = "record.json"

// recordSecretType is the type of the Secret, so that it is not taken for something else.
const recordSecretType = corev1.SecretType("edge.open-horizon.io/record")

// stored is the record of an EdgeRegistry as this process last read or wrote it.
type stored struct {
	// known is false until it was read, and after a write that failed.
	known  bool
	record *pass.Record
	// uid and version are of its Secret; empty while there is none.
	uid     types.UID
	version string
}

// recordName is the name of the Secret with the record of an EdgeRegistry. Another EdgeRegistry of the same name has another one.
func recordName(uid types.UID) string { return "edgeregistry-" + string(uid) }

// openRecord gives a pass the record of its EdgeRegistry, and creates one for an EdgeRegistry without the finalizer.
func (r *EdgeRegistryReconciler) openRecord(ctx context.Context, s *pass.Scope) error {
	kept := pass.Part[stored](s.Memory)
	if !kept.known {
		var err error
		if controllerutil.ContainsFinalizer(s.Edge, objects.CleanupFinalizer) {
			err = r.readRecord(ctx, s, kept)
		} else {
			err = r.beginRecord(ctx, s, kept)
		}
		if err != nil {
			return err
		}
	}
	s.Record = kept.record.Copy()
	s.Settled = s.Record.Settled == s.Edge.Generation
	return nil
}

// beginRecord creates the record of an EdgeRegistry for which nothing was done yet, unless an earlier pass did. One that is gone again is
// not lost: the next pass creates it.
func (r *EdgeRegistryReconciler) beginRecord(ctx context.Context, s *pass.Scope, kept *stored) error {
	s.Record = &pass.Record{}
	refused := r.storeRecord(ctx, s, kept)
	if !apierrors.IsAlreadyExists(refused) {
		return refused
	}
	secret, err := r.getRecord(ctx, s.Edge)
	switch {
	case apierrors.IsNotFound(err):
		return refused
	case err != nil:
		return err
	}
	r.useRecord(s, kept, secret)
	return nil
}

// readRecord reads a record that has to be there.
func (r *EdgeRegistryReconciler) readRecord(ctx context.Context, s *pass.Scope, kept *stored) error {
	secret, err := r.getRecord(ctx, s.Edge)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	r.useRecord(s, kept, secret)
	return nil
}

// useRecord takes the record from its Secret. If it is lost or unreadable, nothing is known: each namespace that may have been served
// may be another by now.
func (r *EdgeRegistryReconciler) useRecord(s *pass.Scope, kept *stored, secret *corev1.Secret) {
	record := &pass.Record{}
	if json.Unmarshal(secret.Data[recordKey], record) != nil {
		record = lostRecord(s.Edge)
		s.Note(edgev1.ReasonRecordLost, fmt.Sprintf(
			"the operator's record of this EdgeRegistry, Secret %q in namespace %q, is gone: it is made again from what is found, and no namespace is trusted to be the same as before",
			recordName(s.Edge.UID), r.Namespace), nil)
	}
	*kept = stored{known: true, record: record, uid: secret.UID, version: secret.ResourceVersion}
}

// getRecord reads the Secret that holds a record. It is empty if there is none.
func (r *EdgeRegistryReconciler) getRecord(ctx context.Context, edge *edgev1.EdgeRegistry) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: r.Namespace, Name: recordName(edge.UID)}
	if err := r.Get(ctx, key, secret); err != nil {
		return secret, fmt.Errorf("read the record of EdgeRegistry %q, Secret %q in namespace %q: %w", edge.Name, key.Name, key.Namespace, err)
	}
	return secret, nil
}

// lostRecord returns the record of an EdgeRegistry whose record is lost, rebuilt on the safe side.
func lostRecord(edge *edgev1.EdgeRegistry) *pass.Record {
	record := &pass.Record{Lost: true}
	for _, namespace := range slices.Concat(edge.Spec.Secrets.Publish.CopyTo, edge.Spec.Secrets.Pull.CopyTo) {
		record.Serve(namespace, "")
	}
	return record
}

// keepRecord writes what a pass found out. A failure to write it is reported like that of a step: what is not on record may have to
// be done again.
func (r *EdgeRegistryReconciler) keepRecord(ctx context.Context, s *pass.Scope, result *pass.Result) {
	if !meta.IsStatusConditionTrue(s.Edge.Status.Conditions, edgev1.RegistryVerified) {
		// What was found before has to be checked again, also by another process.
		s.Record.Verify(s.Edge, time.Time{})
	}
	err := r.saveRecord(ctx, s)
	if err == nil || result.Err != nil {
		return
	}
	status, reason, message := pass.Verdict(err)
	result.Err = err
	result.Pending = &metav1.Condition{
		Type: edgev1.Ready, Status: status, Reason: reason, Message: text.OneLine(message), ObservedGeneration: s.Edge.Generation,
	}
}

// saveRecord writes the record of a pass, if it changed.
func (r *EdgeRegistryReconciler) saveRecord(ctx context.Context, s *pass.Scope) error {
	kept := pass.Part[stored](s.Memory)
	if kept.holds(s.Record) {
		return nil
	}
	return r.storeRecord(ctx, s, kept)
}

// holds reports whether a record is stored already.
func (k *stored) holds(record *pass.Record) bool {
	return k.known && k.version != "" && equality.Semantic.DeepEqual(k.record, record)
}

// storeRecord writes the record of a pass over the version that this process knows. Another process that wrote it meanwhile has the
// lease by now, and wins.
func (r *EdgeRegistryReconciler) storeRecord(ctx context.Context, s *pass.Scope, kept *stored) error {
	content, err := json.Marshal(s.Record)
	if err != nil {
		return fmt.Errorf("prepare the record of EdgeRegistry %q: %w", s.Edge.Name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: recordName(s.Edge.UID), ResourceVersion: kept.version},
		Type:       recordSecretType,
		Data:       map[string][]byte{recordKey: content},
	}
	objects.Own(secret, s.Edge, false)
	if kept.version != "" {
		err = r.Update(ctx, secret, client.FieldOwner(objects.FieldManager))
	}
	if kept.version == "" || apierrors.IsNotFound(err) {
		err = r.createRecord(ctx, s, secret, kept.known)
	}
	if err != nil {
		*kept = stored{}
		return fmt.Errorf("write the record of EdgeRegistry %q, Secret %q in namespace %q: %w", s.Edge.Name, secret.Name, secret.Namespace, err)
	}
	*kept = stored{known: true, record: s.Record.Copy(), uid: secret.UID, version: secret.ResourceVersion}
	return nil
}

// createRecord creates the Secret of a record, but not for an EdgeRegistry that is gone: a pass may have begun before that, and a
// record is deleted with its EdgeRegistry.
func (r *EdgeRegistryReconciler) createRecord(ctx context.Context, s *pass.Scope, secret *corev1.Secret, again bool) error {
	if again {
		live := &edgev1.EdgeRegistry{}
		if err := r.Get(ctx, client.ObjectKeyFromObject(s.Edge), live); err != nil {
			return err
		}
		if live.UID != s.Edge.UID || !live.DeletionTimestamp.IsZero() {
			return pass.Waiting(edgev1.ReasonPending, "EdgeRegistry %q was deleted or recreated meanwhile", s.Edge.Name)
		}
	}
	secret.ResourceVersion = ""
	return r.Create(ctx, secret, client.FieldOwner(objects.FieldManager))
}

// dropRecord deletes the record of an EdgeRegistry that is being deleted.
func (p *run) dropRecord(ctx context.Context) error {
	kept := pass.Part[stored](p.Memory)
	if kept.uid == "" {
		return nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: recordName(p.Edge.UID)}}
	if err := client.IgnoreNotFound(p.Delete(ctx, secret, client.Preconditions{UID: &kept.uid})); err != nil {
		return fmt.Errorf("delete Secret %q in namespace %q: %w", secret.Name, secret.Namespace, err)
	}
	return nil
}

// withoutRecord reports that the record of an EdgeRegistry cannot be read or written; without it nothing is done.
func (r *EdgeRegistryReconciler) withoutRecord(ctx context.Context, edge *edgev1.EdgeRegistry, err error) (ctrl.Result, error) {
	if ctx.Err() != nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return outcomeOfWrite(err)
	}
	_, reason, message := pass.Verdict(err)
	why := pass.Waiting(reason, "%s", message)
	if apierrors.IsForbidden(err) {
		why = pass.Stalled(edgev1.ReasonRequestFailed,
			"the operator keeps a record of each EdgeRegistry in its own namespace, and is refused: see the quota of %q, and apply config/default again for its rights there; refused was: %s",
			r.Namespace, text.Of(err))
		err = why
	}
	after := edge.DeepCopy()
	result := pass.Unsupported(after, why)
	pass.Summarize(after, result.Pending, why.Stalled, "")
	next, err := pass.Outcome(err, r.Clock.Now(), time.Time{})
	return r.conclude(ctx, edge, after, corev1.EventTypeWarning, next, err)
}

// notePublication puts on record what is about to be published, so that no Secret carries an unknown credential.
func (p *run) notePublication(ctx context.Context, publications []*publication) error {
	for _, pub := range publications {
		p.Record.Note(p.issued(pub.Login))
		p.Record.MayHold(pub.Role, pub.copies.holders)
	}
	if before := p.Record.Host; before != "" && before != p.Registry.Host {
		p.Note(edgev1.ReasonHostChanged, fmt.Sprintf(
			"the host of the registry was %s and is %s from now on, in both Secrets: run the new node-bootstrap.sh on every node, publish the services again with images of the new host, and push what they need there; names with the old host stop working when it does",
			before, p.Registry.Host), nil)
	}
	p.Record.Host, p.Record.Lost = p.Registry.Host, false
	kept := pass.Part[stored](p.Memory)
	if kept.holds(p.Record) {
		if slices.ContainsFunc(publications, func(pub *publication) bool { return len(pub.copies.due) > 0 }) {
			return p.confirmRecord(ctx, kept)
		}
		return nil
	}
	// What is about to be published was not verified yet as its consumers use it.
	p.Record.Verify(p.Edge, time.Time{})
	return p.storeRecord(ctx, p.Scope, kept)
}

// confirmRecord makes sure, before copies are created that are on record already, that etcd has that record too: after a restore of
// etcd from an older copy, the last write of this process is lost.
func (p *run) confirmRecord(ctx context.Context, kept *stored) error {
	secret, err := p.getRecord(ctx, p.Edge)
	if err == nil && (secret.UID != kept.uid || secret.ResourceVersion != kept.version) {
		err = apierrors.NewConflict(corev1.Resource("secrets"), recordName(p.Edge.UID), errors.New("it is not what this operator wrote last"))
	}
	if err != nil {
		*kept = stored{}
	}
	return err
}

// issued is the record's entry for the credential of a login.
func (p *run) issued(l *pass.Login) pass.Issued {
	c := l.Credential
	if known := p.Record.Find(c.ID); known != nil && !c.Fresh {
		return *known
	}
	user := c.User
	if l.Supplied != "" {
		user = l.User
	}
	return pass.Issued{
		User: user, Check: c.Check, Role: l.Role, ID: c.ID, Marks: c.Marks, Generation: c.Generation,
		IssuedAt: metav1.NewTime(c.IssuedAt), ExpiresAt: ptr.Deref(pass.StatusTime(c.Expiry), metav1.Time{}),
		Cause: c.Issuance.Name, Lifetime: l.Policy.Lifetime.String(), Rotation: p.handledRotation(l), Host: p.Registry.Host,
		Until: ptr.Deref(pass.StatusTime(c.Until), metav1.Time{}),
	}
}
