// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// Labels and annotations of the operator's objects, by docs/spec/edgeregistry.md.
const (
	uidLabel               = "edge.open-horizon.io/edgeregistry-uid"
	roleLabel              = "edge.open-horizon.io/role"
	kindLabel              = "edge.open-horizon.io/secret"
	generationAnnotation   = "edge.open-horizon.io/token-generation"
	boundUIDAnnotation     = "edge.open-horizon.io/token-anchor-uid"
	accountUIDAnnotation   = "edge.open-horizon.io/token-serviceaccount-uid"
	credentialIDAnnotation = "edge.open-horizon.io/token-credential-id"
	issuedAtAnnotation     = "edge.open-horizon.io/token-issued-at"
	expiresAtAnnotation    = "edge.open-horizon.io/token-expires-at"
)

// invariant holds of every change, whatever was disturbed and however far the operator came.
type invariant struct {
	id, says string
	// broken says how a change breaks it; empty when it does not.
	broken func(*history, change) string
}

var invariants = []invariant{
	{"S1", "of each role at most one bound Secret holds a token that is not published", lostBoundSecrets},
	{"S2", "a token that is published gives way for a cause that can be seen, and once for each", oncePerCause},
	{"S3", "no Secret of consumers holds a token whose bound Secret is taken away", tokenOutlivesItsUse},
	{"S4", "a published token gives way to a newer one alone", publishedTokenStays},
	{"S5", "what a published token depends on stays as long as the EdgeRegistry and the account do", boundSecretStays},
	{"S6", "no object but the Secrets for consumers and their copies holds a token", noTokenElsewhere},
	{"S7", "what is somebody else's stays as it is", othersStay},
	{"S9", "copies go where the spec says", copiesAsAsked},
	{"S10", "no Secret asks the cluster for a token that does not expire, unless the spec does", noTokenSecret},
	{"S11", "ca.crt holds certificates at all times, and each for the overlap", caHoldsCertificates},
	{"S12", "the only owner of an object is its EdgeRegistry", ownerIsEdge},
	{"S13", "a binding gives one of the roles of the spec to the account of the role", bindingAsAsked},
	{"S14", "nothing is made for an EdgeRegistry that is gone", nothingForTheGone},
	{"S15", "what says that it is another EdgeRegistry's, or said so before, has no field that the operator wrote", anothersUnwritten},
	{"S16", "an EdgeRegistry that says Ready is what its spec asks for", readyIsTrue},
}

// change is from one version of an object to the next. before is nil for a new one, after for one that is gone.
type change struct{ before, after client.Object }

// object is what the change is about.
func (ch change) object() client.Object {
	if ch.after != nil {
		return ch.after
	}
	return ch.before
}

// history is the state of a case at a point in time.
type history struct {
	c *Case
	// alive are the objects that are there, by UID, the change included.
	alive map[types.UID]client.Object
	edge  *edgev1.EdgeRegistry
	// published are the UIDs of bound Secrets whose token a Secret carries or carried.
	published map[types.UID]bool
	gone      map[types.UID]bool
	// known are the UIDs that the EdgeRegistry has, or had before it was recreated.
	known map[string]bool
	// asked is what the spec said so far of the roles and types of tokens: an operator may act on what it read a while ago.
	asked map[string]bool
}

// replay goes through what happened, and returns how it breaks invariants.
func (c *Case) replay(versions []version) []string {
	h := &history{c: c, alive: map[types.UID]client.Object{}, published: map[types.UID]bool{}, gone: map[types.UID]bool{},
		known: map[string]bool{}, asked: map[string]bool{}}
	var broken []string
	for _, v := range versions {
		ch := change{before: h.alive[v.GetUID()], after: v.Object}
		if v.deleted {
			ch = change{before: v.Object}
		}
		h.apply(ch)
		if v.listed {
			continue
		}
		for _, i := range invariants {
			if how := i.broken(h, ch); how != "" {
				broken = append(broken, fmt.Sprintf("%s (%s): at version %d %T %s/%s: %s", i.id, i.says, v.at, v.Object, v.GetNamespace(), v.GetName(), how))
			}
		}
	}
	return broken
}

func (h *history) apply(ch change) {
	object := ch.object()
	if edge, ok := object.(*edgev1.EdgeRegistry); ok {
		h.edge, h.known[string(edge.UID)] = edge, true
		h.asked["publisher "+edge.Spec.OpenShift.Publisher.ClusterRole], h.asked["publisher "+string(edge.Spec.OpenShift.Publisher.Token.Type)] = true, true
		h.asked["puller "+edge.Spec.OpenShift.Puller.ClusterRole], h.asked["puller "+string(edge.Spec.OpenShift.Puller.Token.Type)] = true, true
		if ch.after == nil {
			h.edge, h.gone[edge.UID] = nil, true
		}
	}
	if ch.after == nil {
		delete(h.alive, object.GetUID())
		return
	}
	h.alive[object.GetUID()] = object
	if kind := object.GetLabels()[kindLabel]; kind == "publish" || kind == "pull" {
		h.published[types.UID(object.GetAnnotations()[boundUIDAnnotation])] = true
	}
}

// wanted reports whether an EdgeRegistry is there that is not being deleted.
func (h *history) wanted() bool { return h.edge != nil && h.edge.DeletionTimestamp.IsZero() }

func isBoundSecret(object client.Object) bool { return object.GetLabels()[kindLabel] == "anchor" }

func isPublished(object client.Object) bool {
	return slices.Contains([]string{"publish", "pull"}, object.GetLabels()[kindLabel])
}

func isCopy(object client.Object) bool {
	return slices.Contains([]string{"publish-copy", "pull-copy"}, object.GetLabels()[kindLabel])
}

func lostBoundSecrets(h *history, ch change) string {
	if !isBoundSecret(ch.object()) || ch.after == nil || !h.wanted() {
		return ""
	}
	lost := 0
	for _, object := range h.alive {
		if isBoundSecret(object) && object.GetLabels()[roleLabel] == ch.after.GetLabels()[roleLabel] && !h.published[object.GetUID()] {
			lost++
		}
	}
	if lost > 1 {
		return fmt.Sprintf("%d bound Secrets have a token that was never published", lost)
	}
	return ""
}

func publishedTokenStays(_ *history, ch change) string {
	if ch.before == nil || ch.after == nil || !isPublished(ch.after) {
		return ""
	}
	if token, intact := handoff.Token(ch.after.(*corev1.Secret).Data); !intact || token.IsZero() {
		return "the token was taken out"
	}
	before, after := generation(ch.before), generation(ch.after)
	if after < before {
		return fmt.Sprintf("token %d gave way to token %d", before, after)
	}
	return ""
}

func generation(secret client.Object) int {
	n, _ := strconv.Atoi(secret.GetAnnotations()[generationAnnotation])
	return n
}

// asksToRevoke reports a bound Secret whose token a person wants to end.
func (h *history) asksToRevoke(object client.Object) bool {
	asked := h.edge.GetAnnotations()[edgev1.RevokeAnnotation]
	return isBoundSecret(object) && asked == fmt.Sprintf("Puller/%d", generation(object)) && object.GetLabels()[roleLabel] == "puller"
}

func boundSecretStays(h *history, ch change) string {
	object := ch.object()
	if ch.after != nil || !h.wanted() || object.GetLabels()[uidLabel] != string(h.edge.UID) {
		return ""
	}
	switch {
	case isPublished(object):
		return "the Secret of consumers is gone"
	case h.asksToRevoke(object):
		return ""
	case isBoundSecret(object) && h.published[object.GetUID()] && h.alive[types.UID(object.GetAnnotations()[accountUIDAnnotation])] != nil:
		return "the bound Secret of a published token is gone"
	}
	return ""
}

func noTokenElsewhere(_ *history, ch change) string {
	secret, ok := ch.after.(*corev1.Secret)
	if ok && isBoundSecret(secret) && secret.Type != corev1.SecretTypeServiceAccountToken && len(secret.Data) > 0 {
		return "a bound Secret holds data"
	}
	return ""
}

func othersStay(h *history, ch change) string {
	if ch.before == nil || ch.object().GetName() != "bystander" {
		return ""
	}
	if ch.after == nil && h.edge == nil && h.c.Edge.Spec.DeletionPolicy == edgev1.DeletionDelete {
		// It went with the project.
		return ""
	}
	return "it was touched"
}

func copiesAsAsked(h *history, ch change) string {
	if ch.before != nil || !isCopy(ch.object()) || !h.wanted() {
		return ""
	}
	spec := h.edge.Spec.Secrets.Publish
	if ch.after.GetLabels()[kindLabel] == "pull-copy" {
		spec = h.edge.Spec.Secrets.Pull
	}
	if !slices.Contains(spec.CopyTo, ch.after.GetNamespace()) {
		return fmt.Sprintf("the spec says copyTo %v", spec.CopyTo)
	}
	return ""
}

func noTokenSecret(h *history, ch change) string {
	secret, ok := ch.after.(*corev1.Secret)
	if ok && secret.Type == corev1.SecretTypeServiceAccountToken && !h.asked[secret.Labels[roleLabel]+" "+string(edgev1.TokenLongLived)] {
		return "it is of that type"
	}
	return ""
}

func caHoldsCertificates(h *history, ch change) string {
	if ch.after == nil || (!isPublished(ch.after) && !isCopy(ch.after)) {
		return ""
	}
	found, err := trust.ParsePEM(ch.after.(*corev1.Secret).Data[handoff.KeyCA])
	if err != nil || len(found) == 0 {
		return fmt.Sprintf("%d certificates, error %v", len(found), err)
	}
	if ch.before == nil || h.edge == nil || h.edge.Status.CA == nil || h.edge.Spec.Trust.Overlap.Duration == 0 {
		return ""
	}
	// No case lasts as long as any other overlap.
	before, _ := trust.ParsePEM(ch.before.(*corev1.Secret).Data[handoff.KeyCA])
	for _, cert := range before {
		if slices.Contains(h.edge.Status.CA.Certificates, trust.Fingerprint(cert)) && !slices.ContainsFunc(found, cert.Equal) {
			return fmt.Sprintf("%q left it before the overlap was over", cert.Subject)
		}
	}
	return ""
}

func ownerIsEdge(_ *history, ch change) string {
	if ch.after == nil || ch.after.GetLabels()[uidLabel] == "" {
		return ""
	}
	owners := ch.after.GetOwnerReferences()
	if len(owners) != 1 || owners[0].Kind != "EdgeRegistry" || string(owners[0].UID) != ch.after.GetLabels()[uidLabel] {
		return fmt.Sprintf("its owners are %v", owners)
	}
	return ""
}

func bindingAsAsked(h *history, ch change) string {
	binding, ok := ch.after.(*rbacv1.RoleBinding)
	if !ok || binding.Labels[uidLabel] == "" {
		return ""
	}
	role := binding.Labels[roleLabel]
	subject := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: h.c.Project(), Name: "edge-" + role}
	if !slices.Equal(binding.Subjects, []rbacv1.Subject{subject}) || !h.asked[role+" "+binding.RoleRef.Name] {
		return fmt.Sprintf("%v to %v", binding.RoleRef, binding.Subjects)
	}
	return ""
}

func nothingForTheGone(h *history, ch change) string {
	if ch.before == nil && h.gone[types.UID(ch.after.GetLabels()[uidLabel])] {
		return "it was made for one that was gone"
	}
	return ""
}

// anothersUnwritten looks at the version before, too: whoever writes over what is another's puts his own mark on it.
func anothersUnwritten(h *history, ch change) string {
	if ch.after == nil || !h.isAnothers(ch.before) && !h.isAnothers(ch.after) {
		return ""
	}
	for _, entry := range ch.after.GetManagedFields() {
		if entry.Manager == "edge-registry-operator" {
			return fmt.Sprintf("%s wrote %s", entry.Manager, entry.FieldsV1)
		}
	}
	return ""
}

func (h *history) isAnothers(object client.Object) bool {
	return object != nil && object.GetLabels()[uidLabel] != "" && !h.known[object.GetLabels()[uidLabel]]
}

// readyIsTrue looks at each status that the operator wrote.
func readyIsTrue(h *history, ch change) string {
	edge, ok := ch.after.(*edgev1.EdgeRegistry)
	if !ok || edge.Status.ObservedGeneration != edge.Generation || !meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
		return ""
	}
	if before, was := ch.before.(*edgev1.EdgeRegistry); was && equality.Semantic.DeepEqual(before.Status, edge.Status) {
		return ""
	}
	found := map[string]string{}
	for _, object := range h.alive {
		switch o := object.(type) {
		case *corev1.Secret:
			found[o.Namespace+" "+o.Labels[kindLabel]] = fmt.Sprintf("token %d for %s", generation(o), o.Data[handoff.KeyHost])
		case *rbacv1.RoleBinding:
			found[o.Namespace+" "+o.Labels[roleLabel]] = o.RoleRef.Name
		}
	}
	for what, want := range expected(edge) {
		if found[what] != want {
			return fmt.Sprintf("%s: spec and status say %q, there is %q", what, want, found[what])
		}
	}
	for what := range found {
		if _, wanted := expected(edge)[what]; !wanted && strings.HasSuffix(what, "-copy") {
			return fmt.Sprintf("%s: the spec says none", what)
		}
	}
	return ""
}

// expected is what has to be there, by the spec and the status of an EdgeRegistry.
func expected(edge *edgev1.EdgeRegistry) map[string]string {
	current := map[edgev1.TokenRole]string{}
	for _, token := range edge.Status.Credentials {
		if token.Current {
			current[token.Role] = fmt.Sprintf("token %d for %s", token.Generation, edge.Status.Host)
		}
	}
	project, spec := edge.Name, edge.Spec.OpenShift
	want := map[string]string{
		project + " publish":   current[edgev1.TokenPublisher],
		project + " pull":      current[edgev1.TokenPuller],
		project + " publisher": spec.Publisher.ClusterRole,
		project + " puller":    spec.Puller.ClusterRole,
	}
	for _, namespace := range edge.Spec.Secrets.Publish.CopyTo {
		want[namespace+" publish-copy"] = current[edgev1.TokenPublisher]
	}
	for _, namespace := range edge.Spec.Secrets.Pull.CopyTo {
		want[namespace+" pull-copy"] = current[edgev1.TokenPuller]
	}
	return want
}
