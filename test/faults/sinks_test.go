// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// A canary that cannot die proves nothing: a token that is planted in any sink is found there, and not told.
func TestATokenIsFoundWhereverItIsPlanted(t *testing.T) {
	c := NewCase(t, world, Install)
	c.Live(nil)
	token, page := c.issued()[0].Reveal(), ""
	all := func() map[string]string {
		sinks := c.seen()
		maps.Copy(sinks, c.sinks())
		sinks["its metrics"] = page
		return sinks
	}
	if found := showing(all(), c.inHand()); len(found) > 0 {
		t.Fatal(found)
	}
	_, _ = fmt.Fprintln(c.Told, "minted", token)
	encode := base64.StdEncoding.EncodeToString
	c.must(c.World.Admin.Create(c.ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Project(), Name: "planted"},
		Data:       map[string]string{"config": encode([]byte(`{"auth":"` + encode([]byte("edge-puller:"+token)) + `"}`))},
	}), "plant a token in an object")
	c.must(c.World.Admin.Create(c.ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: c.Edge.Name + ".planted"},
		InvolvedObject: corev1.ObjectReference{Kind: "EdgeRegistry", Name: c.Edge.Name, UID: c.Edge.UID},
		Message:        "failed: " + token,
	}), "plant a token in an event")
	c.Edit(func(e *edgev1.EdgeRegistry) { metav1.SetMetaDataAnnotation(&e.ObjectMeta, "edge.test/planted", token) })
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) }))
	t.Cleanup(server.Close)
	page = c.scrape(server.Listener.Addr().String(), token, http.StatusOK)
	c.await("token in each sink", func() bool {
		sinks := all()
		found := strings.Join(showing(sinks, c.inHand()), "\n")
		if shows(found, token) {
			t.Error("the search tells the token")
		}
		for name := range sinks {
			if !strings.Contains("\n"+found, "\n"+name+": ") {
				return false
			}
		}
		return true
	})
}

func TestTheSearchKnowsATokenInEachForm(t *testing.T) {
	part := func(text string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(text, 10)))
	}
	encode := base64.StdEncoding.EncodeToString
	token := part("the header") + "." + part("the payload") + "." + part("the signature")
	bytes := []byte(token)
	for form, text := range map[string]string{
		"as it is":              token,
		"in base64 twice":       encode([]byte(`{"auths":{"host":{"auth":"` + encode([]byte("edge-puller:"+token)) + `"}}}`)),
		"as bytes":              fmt.Sprint(bytes),
		"as bytes in an object": fmt.Sprintf("%v", &corev1.Secret{Data: map[string][]byte{"token": bytes}}),
		"as Go":                 fmt.Sprintf("%#v", bytes),
		"as a number":           fmt.Sprintf("%x", bytes),
		"as a great number":     fmt.Sprintf("%X", bytes),
		"as a dump":             hex.Dump(bytes),
	} {
		t.Run(form, func(t *testing.T) {
			found := strings.Join(showing(map[string]string{"a log": "a line\n" + text}, []string{token}), "\n")
			if !strings.Contains(found, "a log: ") {
				t.Error("it is not found")
			}
			if shows(found, token) {
				t.Error("it is told")
			}
		})
	}
}
