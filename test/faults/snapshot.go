// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// masks are what differs between two runs that end alike, in the order in which they are taken off. Whatever is not
// here has to be the same, byte for byte.
var masks = []struct {
	what    string
	pattern *regexp.Regexp
	instead func(string) string
}{
	{"a token is another each time: what counts is whose it is, and which Secret it is bound to",
		regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), maskToken},
	{"a certificate is another for each Route of a case",
		regexp.MustCompile(`-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----`), with("CERTIFICATE")},
	{"a fingerprint of one",
		regexp.MustCompile(`\b([0-9a-f]{64}|([0-9A-F]{2}:){31}[0-9A-F]{2})\b`), with("FINGERPRINT")},
	{"a UID, and the id of a token",
		regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), with("UID")},
	{"a time",
		regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), with("TIME")},
	{"the address of an Exchange",
		regexp.MustCompile(`\b127\.0\.0\.1:\d+`), with("EXCHANGE")},
	{"the name of the case",
		regexp.MustCompile(`case-\d+`), with("NAME")},
	{"the account of an operator that has one of its own",
		regexp.MustCompile(`\bNAME-operator\b`), with(operatorAccount)},
	{"its private Route",
		regexp.MustCompile(`\broute-\d+`), with("ROUTE")},
	{"the name of a bound Secret: a token that was lost leaves a gap in the numbers",
		regexp.MustCompile(`\b(NAME-(?:publish|pull))-\d+\b`), func(s string) string { return s[:strings.LastIndex(s, "-")] + "-N" }},
	{"what a bound Secret says of its token, for the same reason",
		regexp.MustCompile(`\bToken \d+ of\b`), with("Token N of")},
	{"the name of the router's CA, which tells when it was made",
		regexp.MustCompile(`\bingress-operator@\d+`), with("ROUTER")},
	{"the generation of a token, for the same reason",
		regexp.MustCompile(`"(edge.open-horizon.io/token-generation":"|generation":)\d+`), func(s string) string { return strings.TrimRight(s, "0123456789") + "N" }},
}

func with(text string) func(string) string { return func(string) string { return text } }

func maskToken(token string) string {
	claims, err := credential.ReadClaims(credential.NewToken(token))
	if err != nil {
		return "NO TOKEN"
	}
	return fmt.Sprintf("TOKEN of %s bound to %s", claims.ServiceAccount, claims.SecretName)
}

// mask takes off what differs from run to run.
func mask(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllStringFunc(text, m.instead)
	}
	return text
}

// objects are all that is in the project and in the namespaces for copies, but what the cluster puts everywhere.
func (c *Case) objects() []client.Object {
	c.T.Helper()
	var objects []client.Object
	for _, namespace := range c.pages() {
		for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleBindingList{}} {
			c.must(c.World.Admin.List(c.ctx, list, client.InNamespace(namespace)), "list the objects of the case")
			_ = meta.EachListItem(list, func(item runtime.Object) error {
				if object := item.(client.Object); object.GetName() != "default" {
					objects = append(objects, object)
				}
				return nil
			})
		}
	}
	return objects
}

// Snapshot is the end state, one object a line, masked.
func (c *Case) Snapshot() []string {
	c.T.Helper()
	var lines []string
	for _, object := range c.objects() {
		lines = append(lines, c.line(object))
	}
	if c.Reload() {
		lines = append(lines, c.line(c.Edge))
	}
	project := &corev1.Namespace{}
	if err := c.World.Admin.Get(c.ctx, client.ObjectKey{Name: c.Project()}, project); !apierrors.IsNotFound(err) {
		c.must(err, "read the project")
		lines = append(lines, mask(fmt.Sprintf("project of %s: %s",
			project.Annotations["openshift.io/requester"], project.Annotations["openshift.io/description"])))
	}
	slices.Sort(lines)
	return lines
}

// line is an object without what the API server says of its history.
func (c *Case) line(object client.Object) string {
	c.T.Helper()
	kept := object.DeepCopyObject().(client.Object)
	kept.SetManagedFields(nil)
	kept.SetResourceVersion("")
	kept.SetGeneration(0)
	var text map[string]string
	if secret, ok := kept.(*corev1.Secret); ok {
		text = readable(secret)
		secret.Data = nil
	}
	if edge, ok := kept.(*edgev1.EdgeRegistry); ok {
		edge.Annotations = nil
		delete(edge.Labels, besideLabel)
	}
	content, err := json.Marshal(kept)
	c.must(err, "encode an object")
	line := fmt.Sprintf("%T %s", object, content)
	for _, key := range slices.Sorted(maps.Keys(text)) {
		line += fmt.Sprintf(" %s=%q", key, text[key])
	}
	return mask(line)
}

// readable is the data of a Secret as text, the login inside the Docker configuration too.
func readable(secret *corev1.Secret) map[string]string {
	text := map[string]string{}
	for key, value := range secret.Data {
		text[key] = string(value)
		if key == handoff.KeyDockerConfigJSON {
			text[key] = auth.ReplaceAllStringFunc(text[key], decodeAuth)
		}
	}
	return text
}

var auth = regexp.MustCompile(`"auth":"[^"]*"`)

func decodeAuth(field string) string {
	encoded := strings.TrimSuffix(strings.TrimPrefix(field, `"auth":"`), `"`)
	login, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "NO LOGIN"
	}
	return `"auth":"` + string(login) + `"`
}
