// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// change replaces the spec of a stored object, as kubectl replace does.
func change(t *testing.T, edge *unstructured.Unstructured, spec string) error {
	t.Helper()
	changed := edge.DeepCopy()
	changed.Object["spec"] = object(t, edge.GetName(), spec).Object["spec"]
	return admin.Update(t.Context(), changed, client.DryRunAll)
}

// external is the spec of an EdgeRegistry of another registry.
func external(further, rest string) string {
	return `{external: {host: registry.example.com, ` + further + ` puller: {credentialsSecretRef: {name: pull}}}, secrets: {namespace: plant}` + rest + `}`
}

// harbor is the spec of an EdgeRegistry whose robots the operator makes.
func harbor(project, further string) string {
	return `{external: {host: registry.example.com, repositoryPrefix: plant, harbor: {project: ` + project + further + `, credentialsSecretRef: {name: harbor}}}, secrets: {namespace: plant}}`
}

// ibmCloud is the spec of an EdgeRegistry at IBM Cloud.
func ibmCloud(further, rest string) string {
	return `{ibmCloud: {region: us-south, ` + further + ` credentialsSecretRef: {name: ibm}, registryNamespace: {name: plant-images}}, secrets: {namespace: plant}` + rest + `}`
}

func TestWhatCannotBeChanged(t *testing.T) {
	const (
		project = "the project cannot be changed, since its images stay where they are"
		account = "the service account cannot be changed, since deleting it kills the tokens in use"
		secrets = "the names of the Secrets cannot be changed, since consumers hold them"
	)
	tests := map[string]struct{ before, after, field, message string }{
		"the project, that was named":     {`{openshift: {project: {name: one}}}`, `{openshift: {project: {name: two}}}`, "spec.openshift.project.name", project},
		"the project, to the default":     {`{openshift: {project: {name: one}}}`, `{openshift: {}}`, "spec.openshift.project.name", project},
		"the project, from the default":   {`{openshift: {}}`, `{openshift: {project: {name: two}}}`, "spec.openshift.project.name", project},
		"the publisher":                   {`{openshift: {}}`, `{openshift: {publisher: {serviceAccountName: ci}}}`, "spec.openshift.publisher.serviceAccountName", account},
		"the publisher, to the default":   {`{openshift: {publisher: {serviceAccountName: ci}}}`, `{openshift: {}}`, "spec.openshift.publisher.serviceAccountName", account},
		"the puller":                      {`{openshift: {}}`, `{openshift: {puller: {serviceAccountName: nodes}}}`, "spec.openshift.puller.serviceAccountName", account},
		"the publish Secret":              {`{openshift: {}}`, `{openshift: {}, secrets: {publish: {name: push}}}`, "spec.secrets", secrets},
		"the pull Secret":                 {`{openshift: {}, secrets: {pull: {name: pull}}}`, `{openshift: {}, secrets: {pull: {name: other}}}`, "spec.secrets", secrets},
		"the pull Secret, to the default": {`{openshift: {}, secrets: {pull: {name: pull}}}`, `{openshift: {}}`, "spec.secrets", secrets},
		"the Secrets, swapped":            {`{openshift: {}, secrets: {pull: {name: aa}, publish: {name: bb}}}`, `{openshift: {}, secrets: {pull: {name: bb}, publish: {name: aa}}}`, "spec.secrets", secrets},
		"the provider":                    {`{openshift: {}}`, external(``, ``), "spec.openshift", "the provider cannot be changed: create another EdgeRegistry"},
		"the host": {external(``, ``), `{external: {host: "registry.example.com:5000", puller: {credentialsSecretRef: {name: pull}}}, secrets: {namespace: plant}}`,
			"spec.external.host", "the host cannot be changed, since images are named by it"},
		"the prefix":             {external(`repositoryPrefix: one,`, ``), external(`repositoryPrefix: two,`, ``), "spec.external.repositoryPrefix", "the prefix cannot be changed"},
		"the prefix, from none":  {external(``, ``), external(`repositoryPrefix: two,`, ``), "spec.external.repositoryPrefix", "the prefix cannot be changed"},
		"the prefix, to none":    {external(`repositoryPrefix: one,`, ``), external(``, ``), "spec.external.repositoryPrefix", "the prefix cannot be changed"},
		"the publisher, to none": {external(`publisher: {credentialsSecretRef: {name: push}},`, ``), external(``, ``), "spec.external.publisher", "the publisher cannot be taken away"},
		"the Secrets' namespace": {external(``, ``), `{external: {host: registry.example.com, puller: {credentialsSecretRef: {name: pull}}}, secrets: {namespace: other}}`, "spec.secrets.namespace", "the namespace of the Secrets cannot be changed"},
		"who makes the logins": {
			harbor("plant", ""), `{external: {host: registry.example.com, repositoryPrefix: plant, puller: {credentialsSecretRef: {name: pull}}}, secrets: {namespace: plant}}`,
			"spec.external.harbor", "who makes the logins cannot be changed",
		},
		"the project of Harbor": {
			`{external: {host: registry.example.com, repositoryPrefix: plant/edge, harbor: {project: plant, credentialsSecretRef: {name: harbor}}}, secrets: {namespace: plant}}`,
			`{external: {host: registry.example.com, repositoryPrefix: plant/edge, harbor: {project: plan, credentialsSecretRef: {name: harbor}}}, secrets: {namespace: plant}}`,
			"spec.external.harbor.project", "the project cannot be changed",
		},
		"the region":               {ibmCloud(``, ``), strings.Replace(ibmCloud(``, ``), "us-south", "eu-de", 1), "spec.ibmCloud.region", "the region cannot be changed"},
		"the visibility":           {ibmCloud(``, ``), ibmCloud(`visibility: Private,`, ``), "spec.ibmCloud.visibility", "the visibility cannot be changed"},
		"the registry namespace":   {ibmCloud(``, ``), strings.Replace(ibmCloud(``, ``), "images", "others", 1), "spec.ibmCloud.registryNamespace.name", "the registry namespace cannot be changed"},
		"a service ID":             {ibmCloud(`puller: {serviceIDRef: ServiceId-1},`, ``), ibmCloud(`puller: {serviceIDRef: ServiceId-2},`, ``), "spec.ibmCloud.puller.serviceIDRef", "the service ID cannot be changed"},
		"a service ID, from none":  {ibmCloud(``, ``), ibmCloud(`publisher: {serviceIDRef: ServiceId-2},`, ``), "spec.ibmCloud.publisher.serviceIDRef", "the service ID cannot be changed"},
		"a service ID, to none":    {ibmCloud(`publisher: {serviceIDRef: ServiceId-2},`, ``), ibmCloud(``, ``), "spec.ibmCloud.publisher.serviceIDRef", "the service ID cannot be changed"},
		"IBM Cloud's provider":     {ibmCloud(``, ``), external(``, ``), "spec.openshift", "the provider cannot be changed"},
		"the provider, taken away": {`{openshift: {}}`, `{}`, "spec.openshift", "the provider cannot be changed: create another EdgeRegistry"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := create(t, "fixed", test.before)
			err := change(t, edge, test.after)
			g.Expect(err).To(HaveOccurred())
			g.Expect(refusal(t, err)).To(ContainSubstring(test.field + ": "))
			g.Expect(refusal(t, err)).To(ContainSubstring(test.message))
		})
	}
}

func TestWhatIsTheSameMayBeSaidInFull(t *testing.T) {
	full := `
openshift:
  project: {name: same}
  publisher: {serviceAccountName: edge-publisher}
  puller: {serviceAccountName: edge-puller}
secrets: {publish: {name: same-publish}, pull: {name: same-pull}}`
	for name, test := range map[string]struct{ before, after string }{
		"from the defaults": {`{openshift: {}}`, full},
		"to the defaults":   {full, `{openshift: {}}`},
		"as it is":          {full, full},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(change(t, create(t, "same", test.before), test.after)).To(Succeed())
		})
	}
}

func TestWhatMayBeChanged(t *testing.T) {
	edge := create(t, "free", `{openshift: {}}`)
	for name, spec := range map[string]string{
		"the route":            `{openshift: {route: edge}}`,
		"the project's texts":  `{openshift: {project: {displayName: Images, description: Of the factory}}}`,
		"the publisher's role": `{openshift: {publisher: {clusterRole: "system:image-builder"}}}`,
		"the puller's role":    `{openshift: {puller: {clusterRole: registry-viewer}}}`,
		"the lifetimes":        `{openshift: {publisher: {token: {lifetime: 24h, renewBefore: 16h}}, puller: {token: {lifetime: 48h}}}}`,
		"the CA":               `{openshift: {}, trust: {caBundleRef: {name: ca}}}`,
		"labels":               `{openshift: {}, secrets: {publish: {labels: {a: b}, annotations: {c: d}}}}`,
		"the verification":     `{openshift: {}, verification: {policy: Disabled, interval: 1h}}`,
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(change(t, edge, spec)).To(Succeed())
		})
	}
	t.Run("the life of Harbor's robots", func(t *testing.T) {
		edge := create(t, "free-harbor", harbor("plant", ""))
		NewWithT(t).Expect(change(t, edge, harbor("plant", ", puller: {lifetime: 48h}"))).To(Succeed())
	})
}

func TestWhatMayBeChangedOfAnotherRegistry(t *testing.T) {
	edge := create(t, "free", external(``, ``))
	for name, spec := range map[string]string{
		"a publisher that is added": external(`publisher: {credentialsSecretRef: {name: push}},`, ``),
		"the puller's Secret":       `{external: {host: registry.example.com, puller: {credentialsSecretRef: {name: other}}}, secrets: {namespace: plant}}`,
		"an empty prefix":           external(`repositoryPrefix: "",`, ``),
		"the CA":                    external(``, `, trust: {caBundleRef: {name: ca}}`),
		"the repository to verify":  external(``, `, verification: {repository: probe}`),
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(change(t, edge, spec)).To(Succeed())
		})
	}
}

func TestWhatMayBeChangedAtIBMCloud(t *testing.T) {
	edge := create(t, "free", ibmCloud(``, ``))
	for name, spec := range map[string]string{
		"the endpoints":     ibmCloud(`apiEndpoints: Private,`, ``),
		"the supplied key":  strings.Replace(ibmCloud(``, ``), "ibm}", "other}", 1),
		"the account":       ibmCloud(`accountID: abc,`, ``),
		"the keys' lives":   ibmCloud(`publisher: {key: {lifetime: 2h, renewBefore: 1h}},`, ``),
		"the CA":            ibmCloud(``, `, trust: {caBundleRef: {name: ca}}`),
		"an Exchange":       ibmCloud(``, `, exchanges: [{credentialsSecretRef: {name: exchange}}]`),
		"a namespace, made": `{ibmCloud: {region: us-south, credentialsSecretRef: {name: ibm}, registryNamespace: {name: plant-images, policy: CreateOrAdopt}}, secrets: {namespace: plant}, deletionPolicy: Delete}`,
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(change(t, edge, spec)).To(Succeed())
		})
	}
}

// An object that was stored before a rule existed must not be locked: whoever labels it, or
// changes another field, says nothing that the rule is about.
func TestAnObjectOlderThanARuleStaysUpdatable(t *testing.T) {
	g := NewWithT(t)
	crd, err := shippedCRD()
	g.Expect(err).NotTo(HaveOccurred())
	restore := func(crd *unstructured.Unstructured) {
		live := crd.DeepCopy()
		g.Expect(admin.Get(context.Background(), client.ObjectKeyFromObject(crd), live)).To(Succeed())
		live.Object["spec"] = crd.DeepCopy().Object["spec"]
		g.Expect(admin.Update(context.Background(), live)).To(Succeed())
	}
	lax := crd.DeepCopy()
	withoutRules(lax.Object["spec"])
	restore(lax)
	t.Cleanup(func() { restore(crd) })

	edge := object(t, "older", `{openshift: {project: {name: kube-images}, publisher: {token: {lifetime: 1h, renewBefore: 2h}}}, tokens: {puller: {type: LongLived}}, verification: {interval: 1s}}`)
	g.Eventually(func() error { return admin.Create(t.Context(), edge) }).WithTimeout(eventually).Should(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), edge) })
	restore(crd)
	g.Eventually(func() bool {
		fresh := object(t, "newer", `{openshift: {project: {name: kube-images}}}`)
		return apierrors.IsInvalid(admin.Create(t.Context(), fresh, client.DryRunAll))
	}).WithTimeout(eventually).Should(BeTrue(), "the rules are back")

	edge.SetLabels(map[string]string{"team": "edge"})
	edge.SetAnnotations(map[string]string{"edge.open-horizon.io/reconcile": "now"})
	g.Expect(admin.Update(t.Context(), edge)).To(Succeed())
	g.Expect(unstructured.SetNestedField(edge.Object, "BestEffort", "spec", "verification", "policy")).To(Succeed())
	g.Expect(admin.Update(t.Context(), edge)).To(Succeed())
	status := edge.DeepCopy()
	status.Object["status"] = map[string]any{"host": "registry.example"}
	g.Expect(admin.Status().Update(t.Context(), status)).To(Succeed(), "the operator can still say what is wrong")

	g.Expect(change(t, status, `{openshift: {project: {name: kube-images}, publisher: {token: {lifetime: 1h, renewBefore: 3h}}}, verification: {interval: 1s}}`)).
		To(MatchError(ContainSubstring("renewBefore must be shorter than lifetime")), "what is said again is checked")
}

// withoutRules takes the CEL rules out of a schema.
func withoutRules(node any) {
	switch value := node.(type) {
	case map[string]any:
		delete(value, "x-kubernetes-validations")
		for _, child := range value {
			withoutRules(child)
		}
	case []any:
		for _, child := range value {
			withoutRules(child)
		}
	}
}
