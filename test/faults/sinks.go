// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
)

// inHand are the tokens that the operator was given: those that it minted, and its own.
func (c *Case) inHand() []string {
	tokens := []string{c.World.Operator.BearerToken}
	for _, issued := range c.issued() {
		tokens = append(tokens, issued.Reveal())
	}
	return tokens
}

// sinks are the texts in which no token may show, by what they are.
func (c *Case) sinks() map[string]string {
	c.T.Helper()
	sinks := map[string]string{"what it wrote": c.Told.String(), "its events": "", "the EdgeRegistry": ""}
	var events corev1.EventList
	c.must(c.World.Admin.List(c.ctx, &events, client.InNamespace(corev1.NamespaceDefault),
		client.MatchingFields{"involvedObject.name": c.Edge.Name}), "list the events")
	for _, event := range events.Items {
		sinks["its events"] += c.encoded(&event)
	}
	for _, v := range c.World.journal.read(c.Edge.Name) {
		if edge, ok := v.Object.(*edgev1.EdgeRegistry); ok {
			sinks["the EdgeRegistry"] += c.encoded(edge)
		}
	}
	return sinks
}

func (c *Case) encoded(object client.Object) string {
	c.T.Helper()
	line, err := json.Marshal(object)
	c.must(err, "encode an object")
	return string(line) + "\n"
}

// seen are the sinks that kubectl shows to those who may read no Secrets.
func (c *Case) seen() map[string]string {
	c.T.Helper()
	kubectl := func(args ...string) string {
		out, err := c.World.Env.Kubectl(c.ctx, args...)
		c.must(err, "run kubectl")
		return out
	}
	kinds := slices.DeleteFunc(strings.Fields(kubectl("api-resources", "--namespaced", "--verbs=list", "-o=name")),
		func(kind string) bool { return kind == "secrets" })
	objects := kubectl("get", "edgeregistry/"+c.Edge.Name, "namespace/"+c.Project(), "-o=yaml", "--show-managed-fields")
	for _, namespace := range c.pages() {
		objects += kubectl("get", strings.Join(kinds, ","), "--namespace="+namespace, "-o=yaml", "--show-managed-fields")
	}
	return map[string]string{
		"kubectl describe": kubectl("describe", "edgeregistry", c.Edge.Name),
		"kubectl get":      objects,
	}
}

// showing are the places in some sinks that show one of some tokens, which is masked there.
func showing(sinks map[string]string, tokens []string) []string {
	var found []string
	for name, text := range sinks {
		if !shows(text, tokens...) {
			continue
		}
		for _, token := range tokens {
			if !shows(text, token) {
				continue
			}
			before := len(found)
			for line := range strings.Lines(text) {
				if !shows(line, token) {
					continue
				}
				place := line
				for part := range strings.SplitSeq(line, ",") {
					if shows(part, token) {
						place = part
					}
				}
				found = append(found, name+": "+masked(place))
			}
			if len(found) == before {
				found = append(found, name+": over several lines")
			}
		}
	}
	return found
}

// tokenish is what may be a piece of a token: in one word, byte by byte, or beside a dump of bytes.
var tokenish = regexp.MustCompile(`[\w+/=.-]{40,}|(\w{2,4},? +){8,}|\|[^|]*\|`)

func masked(text string) string { return tokenish.ReplaceAllString(text, "[masked]") }

// shows knows more forms than package leaks does: a layer of base64 more, which a Docker configuration in the data of a Secret
// has, and bytes as Go prints and dumps them.
func shows(text string, tokens ...string) bool {
	known := leaks.Of(tokens...)
	if known.In(text) {
		return true
	}
	for _, token := range tokens {
		if slices.ContainsFunc(inBytes(token), func(form string) bool { return strings.Contains(text, form) }) {
			return true
		}
	}
	for _, run := range tokenSized.FindAllString(text, -1) {
		for offset := range 4 {
			// What is before an error counts.
			inside, _ := base64.RawStdEncoding.DecodeString(run[offset:])
			if known.In(string(inside)) {
				return true
			}
		}
	}
	return false
}

// inBytes are forms in which Go prints bytes. A part of the signature is enough, and at one of eight places a dump begins again.
func inBytes(token string) []string {
	signature := []byte(token[strings.LastIndex(token, ".")+1:])
	var forms []string
	for place := range 8 {
		part := signature[place : place+8]
		forms = append(forms, fmt.Sprintf("% x", part))
		if place == 0 {
			literal := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}")
			forms = append(forms, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), strings.Trim(fmt.Sprint(part), "[]"), literal)
		}
	}
	return forms
}

// judgeSinks looks for what the operator was given in some sinks.
func (c *Case) judgeSinks(sinks map[string]string, tokens ...string) {
	c.T.Helper()
	for _, place := range showing(sinks, append(c.inHand(), tokens...)) {
		c.T.Errorf("a token shows in %s", place)
	}
}
