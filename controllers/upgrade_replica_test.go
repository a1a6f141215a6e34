// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what an older operator left: how the tests make it again.

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// replica carries what an operator wrote from one cluster to another. What only one cluster knows is
// a placeholder @{...} in between: names, UIDs, times, certificates, and the tokens, in whose place the
// other cluster issues its own for the same account, bound to the same Secret.
type replica struct {
	cas []*platform.CA
	// target is a namespace that lets copies in, name that of the EdgeRegistry.
	target, name string
	// project is what node-bootstrap.sh has in the place of the EdgeRegistry's name; empty where that is the name.
	project string
	// facts are what stands for each placeholder here.
	facts map[string]string
}

func newReplica(target string, cas []*platform.CA) *replica {
	r := &replica{cas: cas, target: target, facts: map[string]string{
		"host": openShift.Host(), "target": target, "ca": strings.TrimSuffix(string(pemOf(cas...)), "\n"),
	}}
	for i, ca := range cas {
		r.facts[fmt.Sprint("sha256:", i)] = fingerprintsOf(ca)[0]
		r.facts[fmt.Sprint("subject:", i)] = ca.Certificate().Subject.String()
	}
	return r
}

var placeholder = regexp.MustCompile(`@\{[^}]*\}`)

// placeholderOfName stands for the name of the EdgeRegistry.
const placeholderOfName = "@{name}"

// fill puts what is known here in the place of its placeholders.
func (r *replica) fill(text string, encode func(string) string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		if fact, known := r.facts[found[2:len(found)-1]]; known {
			return encode(fact)
		}
		return found
	})
}

func plain(text string) string { return text }

func inJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted[1 : len(quoted)-1])
}

// blank puts placeholders in the place of what is known here only, except times, which identify nothing.
func (r *replica) blank(text string) string {
	keys := slices.SortedFunc(maps.Keys(r.facts), func(a, b string) int { return len(r.facts[b]) - len(r.facts[a]) })
	for _, key := range keys {
		if fact := r.facts[key]; !regexp.MustCompile(rfc3339).MatchString(fact) {
			text = strings.ReplaceAll(text, fact, "@{"+key+"}")
		}
	}
	return text
}

// short is the name of an object without that of the EdgeRegistry.
func (r *replica) short(name string) string { return strings.TrimPrefix(name, r.name+"-") }

func (r *replica) knowEdge(edge *edgev1.EdgeRegistry) {
	r.name = edge.Name
	r.facts["name"], r.facts["uid"] = edge.Name, string(edge.UID)
}

func (r *replica) knowUID(object client.Object) {
	r.facts["uid:"+r.short(object.GetName())] = string(object.GetUID())
}

// knowToken notes the token of a bound Secret, and what it says of itself.
func (r *replica) knowToken(t *testing.T, bound *corev1.Secret, account string, token credential.Token) {
	t.Helper()
	canary.know(token)
	claims, err := credential.ReadClaims(token)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	if !claims.Expires() {
		claims.IssuedAt = bound.CreationTimestamp.UTC()
	}
	name := r.short(bound.Name)
	r.facts["token:"+name] = token.Reveal()
	encoded := func(user string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + token.Reveal()))
	}
	r.facts["login:"+name] = encoded(account + "." + r.name)
	// An older operator took the account alone for the user.
	r.facts["login-by-account:"+name] = encoded(account)
	r.facts["iat:"+name] = pass.Timestamp(claims.IssuedAt)
	if claims.Expires() {
		r.facts["jti:"+name], r.facts["exp:"+name] = claims.ID, pass.Timestamp(claims.Expiry)
	}
}

// record returns all that the operator made for an EdgeRegistry, in an order in which it can be made again.
func (r *replica) record(t *testing.T, edge *edgev1.EdgeRegistry) []byte {
	t.Helper()
	r.knowEdge(edge)
	own := client.MatchingLabels{objects.EdgeLabel: edge.Name}
	accounts := listed(t, &corev1.ServiceAccountList{}, client.InNamespace(edge.Name), own)
	bindings := listed(t, &rbacv1.RoleBindingList{}, client.InNamespace(edge.Name))
	secrets := listed(t, &corev1.SecretList{}, client.InNamespace(edge.Name), own)
	// What a Secret refers to comes before it.
	slices.SortStableFunc(secrets, func(a, b client.Object) int {
		return strings.Compare(a.GetLabels()[objects.KindLabel], b.GetLabels()[objects.KindLabel])
	})
	copies := listed(t, &corev1.SecretList{}, client.InNamespace(r.target), own)
	for _, object := range slices.Concat(accounts, secrets) {
		r.knowUID(object)
	}
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		r.knowToken(t, boundSecretOf(t, edge, role), claims.ServiceAccount, tokenOf(secret))
	}
	var documents []string
	for _, object := range slices.Concat([]client.Object{edge, namespaceOf(t, edge)}, accounts, bindings, secrets, copies) {
		documents = append(documents, r.document(t, object))
	}
	return []byte(strings.Join(documents, "---\n"))
}

func listed(t *testing.T, list client.ObjectList, options ...client.ListOption) (objects []client.Object) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(admin.List(t.Context(), list, options...)).To(Succeed())
	g.Expect(meta.EachListItem(list, func(item runtime.Object) error {
		objects = append(objects, item.(client.Object))
		return nil
	})).To(Succeed())
	return objects
}

// document is one object with placeholders, in YAML.
func (r *replica) document(t *testing.T, object client.Object) string {
	t.Helper()
	g := NewWithT(t)
	gvk, err := admin.GroupVersionKindFor(object)
	g.Expect(err).NotTo(HaveOccurred())
	object = object.DeepCopyObject().(client.Object)
	switch o := object.(type) {
	case *edgev1.EdgeRegistry:
		delete(o.Annotations, edgev1.ReconcileAnnotation)
		for i, token := range o.Status.Credentials {
			secret := map[edgev1.TokenRole]string{edgev1.TokenPublisher: objects.KindPublish, edgev1.TokenPuller: objects.KindPull}[token.Role]
			if token.CredentialID != "" {
				o.Status.Credentials[i].CredentialID = "@{jti:" + boundSecretName(secret, token.Generation) + "}"
			}
		}
	case *corev1.Secret:
		r.blankSecret(t, o)
	case *corev1.Namespace:
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
		// Each project has a range of its own there.
		maps.DeleteFunc(o.Annotations, func(key, _ string) bool { return strings.HasPrefix(key, "openshift.io/sa.scc.") })
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	g.Expect(err).NotTo(HaveOccurred())
	document := &unstructured.Unstructured{Object: fields}
	document.SetGroupVersionKind(gvk)
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generateName", "generation", "managedFields"} {
		unstructured.RemoveNestedField(document.Object, "metadata", field)
	}
	content, err := document.MarshalJSON()
	g.Expect(err).NotTo(HaveOccurred())
	text := blankEnds(r.blank(string(content)))
	readable, err := yaml.JSONToYAML([]byte(regexp.MustCompile(rfc3339).ReplaceAllString(text, "@{now}")))
	g.Expect(err).NotTo(HaveOccurred())
	return string(readable)
}

// blankEnds puts placeholders in the place of times that are ahead.
func blankEnds(text string) string {
	return regexp.MustCompile(`"(until|notAfter)":"`+rfc3339).ReplaceAllString(text, `"$1":"@{$1}`)
}

// blankSecret makes the data of a Secret readable, without what the cluster put there.
func (r *replica) blankSecret(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	delete(secret.Labels, "kubernetes.io/legacy-token-last-used")
	delete(secret.Annotations, corev1.ServiceAccountUIDKey)
	bound := r.short(secret.Name)
	if secret.Labels[objects.KindLabel] != objects.KindBound {
		bound = boundSecretName(bound, generationFrom(secret))
	}
	for key, fact := range map[string]string{objects.IssuedAtAnnotation: "iat", objects.ExpiresAtAnnotation: "exp", objects.CredentialIDAnnotation: "jti"} {
		if secret.Annotations[key] != "" {
			secret.Annotations[key] = "@{" + fact + ":" + bound + "}"
		}
	}
	if secret.Type == corev1.SecretTypeServiceAccountToken {
		secret.Data = nil
	}
	secret.StringData = map[string]string{}
	for key, value := range secret.Data {
		secret.StringData[key] = blankEnds(r.blank(string(value)))
	}
	secret.Data = nil
	if script := secret.StringData[handoff.KeyNodeBootstrap]; script != "" {
		// It is long, and the same in all.
		if r.project != "" {
			script = strings.ReplaceAll(script, r.project, placeholderOfName)
		}
		NewWithT(t).Expect(script).To(Equal(fixtures.Want(t, upgradeFile(nextRelease, "", handoff.KeyNodeBootstrap), []byte(script))))
		secret.StringData[handoff.KeyNodeBootstrap] = "@{" + handoff.KeyNodeBootstrap + "}"
	}
}

func generationFrom(secret *corev1.Secret) (generation int64) {
	_, _ = fmt.Sscan(secret.Annotations[objects.GenerationAnnotation], &generation)
	return generation
}

// load makes all that was recorded, and returns the EdgeRegistry that it was made for.
func (r *replica) load(t *testing.T, file string) *edgev1.EdgeRegistry {
	t.Helper()
	g := NewWithT(t)
	script, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(file)), handoff.KeyNodeBootstrap))
	g.Expect(err).NotTo(HaveOccurred())
	now := time.Now()
	for key, at := range map[string]time.Time{"now": now, "until": now.Add(600 * time.Hour), "notAfter": r.cas[0].Certificate().NotAfter} {
		r.facts[key] = pass.Timestamp(at)
	}
	if r.facts["name"] == "" {
		r.facts["name"] = "edge-" + rand.String(5)
	}
	project := cmp.Or(r.project, r.facts["name"])
	r.facts[handoff.KeyNodeBootstrap] = r.fill(strings.ReplaceAll(string(script), placeholderOfName, project), plain)
	content, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	documents := strings.Split(string(content), "---\n")
	edge := &edgev1.EdgeRegistry{}
	r.decode(t, documents[0], edge)
	r.knowEdge(apply(t, edge))
	for _, document := range documents[1:] {
		r.make(t, document)
	}
	recorded := &edgev1.EdgeRegistry{}
	r.decode(t, documents[0], recorded)
	reload(t, edge).Status = recorded.Status
	// One that was edited before it was recorded is made in one go here.
	edge.Status.ObservedGeneration = edge.Generation
	for i := range edge.Status.Conditions {
		edge.Status.Conditions[i].ObservedGeneration = edge.Generation
	}
	g.Expect(admin.Status().Update(t.Context(), edge, client.FieldOwner(objects.FieldManager))).To(Succeed())
	return edge
}

// decode reads a document as it is to be here. Placeholders stay while nothing is known for them.
func (r *replica) decode(t *testing.T, document string, object client.Object) {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(document))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(r.fill(string(content), inJSON)), object)).To(Succeed())
}

// make makes one of the objects.
func (r *replica) make(t *testing.T, document string) {
	t.Helper()
	g := NewWithT(t)
	kind := &metav1.TypeMeta{}
	g.Expect(yaml.Unmarshal([]byte(document), kind)).To(Succeed())
	created, err := admin.Scheme().New(kind.GroupVersionKind())
	g.Expect(err).NotTo(HaveOccurred())
	object := created.(client.Object)
	r.decode(t, document, object)
	secret, isSecret := object.(*corev1.Secret)
	if isSecret {
		secret.Data = map[string][]byte{}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
		secret.StringData = nil
	}
	g.Expect(admin.Create(t.Context(), object, client.FieldOwner(objects.FieldManager))).To(Succeed())
	r.knowUID(object)
	if isSecret && secret.Labels[objects.KindLabel] == objects.KindBound {
		account := "edge-" + secret.Labels[objects.RoleLabel]
		r.knowToken(t, secret, account, issueFor(t, secret, account))
		before := secret.DeepCopy()
		for key, value := range secret.Annotations {
			secret.Annotations[key] = r.fill(value, plain)
		}
		g.Expect(admin.Patch(t.Context(), secret, client.MergeFrom(before), client.FieldOwner(objects.FieldManager))).To(Succeed())
	}
}

// issueFor has the cluster issue the token of a bound Secret.
func issueFor(t *testing.T, bound *corev1.Secret, account string) credential.Token {
	t.Helper()
	g := NewWithT(t)
	if typeOf(bound) == edgev1.TokenLongLived {
		g.Eventually(func() bool {
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(bound), bound)).To(Succeed())
			return keptToken(bound).IsZero()
		}).WithTimeout(soon).WithPolling(often).Should(BeFalse())
		return keptToken(bound)
	}
	lifetime, err := time.ParseDuration(bound.Annotations[objects.LifetimeAnnotation])
	g.Expect(err).NotTo(HaveOccurred())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To(int64(lifetime.Seconds())),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID},
	}}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: bound.Namespace, Name: account}}
	g.Expect(admin.SubResource("token").Create(t.Context(), of, request)).To(Succeed())
	return credential.NewToken(request.Status.Token)
}

// requests are requests with placeholders, each once, but those that write the status.
func (r *replica) requests(requests []string) []string {
	found := []string{}
	for _, request := range requests {
		if !strings.HasSuffix(request, "/status") {
			found = append(found, r.blank(request))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
