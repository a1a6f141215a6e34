// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func dockerConfig(user, token string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + token))
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)
}

// formerDockerConfig is what was published before entries held auth alone.
func formerDockerConfig(user, token string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + token))
	return fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q,"auth":%q}}}`, host, user, token, auth)
}

func TestPublishDataHoldsThePushLoginAndThePullAuthOfHzn(t *testing.T) {
	g := NewWithT(t)
	in := validInput()
	data := must(handoff.PublishData(in))

	want := map[string][]byte{
		".dockerconfigjson": []byte(dockerConfig("edge-publisher.factory", pushToken)),
		"OCP_DOCKER_HOST":   []byte(host),
		"OCP_PROJECT":       []byte(project),
		"OCP_USER":          []byte("edge-publisher.factory"),
		"OCP_TOKEN":         []byte(pushToken),
		"IMAGE_PREFIX":      []byte(host + "/" + project),
		"HZN_REGISTRY_AUTH": []byte(host + ":edge-puller.factory:" + pullToken),
		"ca.crt":            in.CA,
		"type":              []byte("container-registry"),
		"provider":          []byte("openshift"),
		"host":              []byte(host),
		"port":              []byte("443"),
		"uri":               []byte("https://" + host),
		"username":          []byte("edge-publisher.factory"),
		"password":          []byte(pushToken),
	}
	g.Expect(data).To(Equal(want))
}

func TestPullDataHoldsThePullLoginAndNothingOfThePublisher(t *testing.T) {
	g := NewWithT(t)
	in := validInput()
	data := must(handoff.PullData(in))

	script := data["node-bootstrap.sh"]
	g.Expect(script).NotTo(BeEmpty())
	delete(data, "node-bootstrap.sh")
	want := map[string][]byte{
		".dockerconfigjson":              []byte(dockerConfig("edge-puller.factory", pullToken)),
		"OCP_DOCKER_HOST":                []byte(host),
		"OCP_PROJECT":                    []byte(project),
		"OCP_USER":                       []byte("edge-puller.factory"),
		"OCP_TOKEN":                      []byte(pullToken),
		"IMAGE_PREFIX":                   []byte(host + "/" + project),
		"HZN_REGISTRY_AUTH":              []byte(host + ":edge-puller.factory:" + pullToken),
		"ca.crt":                         in.CA,
		"EDGE_CLUSTER_REGISTRY_USERNAME": []byte("edge-puller.factory"),
		"EDGE_CLUSTER_REGISTRY_TOKEN":    []byte(pullToken),
		"type":                           []byte("container-registry"),
		"provider":                       []byte("openshift"),
		"host":                           []byte(host),
		"port":                           []byte("443"),
		"uri":                            []byte("https://" + host),
		"username":                       []byte("edge-puller.factory"),
		"password":                       []byte(pullToken),
	}
	g.Expect(data).To(Equal(want))
	for _, secret := range []string{pushToken, pullToken, "edge-publisher.factory", "edge-puller.factory"} {
		g.Expect(string(script)).NotTo(ContainSubstring(secret), "the script is no place for a login")
	}
}

func TestDataIsTheSameForTheSameInput(t *testing.T) {
	g := NewWithT(t)
	for range 20 {
		g.Expect(must(handoff.PublishData(validInput()))).To(Equal(must(handoff.PublishData(validInput()))))
		g.Expect(must(handoff.PullData(validInput()))).To(Equal(must(handoff.PullData(validInput()))))
	}
}

func TestToken(t *testing.T) {
	set := func(key, value string) func(map[string][]byte) {
		return func(data map[string][]byte) { data[key] = []byte(value) }
	}
	for name, test := range map[string]struct {
		change func(map[string][]byte)
		found  bool
	}{
		"an untouched Secret carries its token":           {func(map[string][]byte) {}, true},
		"an altered CA leaves the token as it is":         {set(handoff.KeyCA, ""), true},
		"an altered host leaves the token as it is":       {set(handoff.KeyHost, "other.example.test"), true},
		"an altered password leaves the token as it is":   {set(handoff.KeyPassword, "other"), true},
		"an earlier login carries its token":              {set(handoff.KeyDockerConfigJSON, formerDockerConfig("edge-puller.factory", pullToken)), true},
		"an emptied Secret carries none":                  {func(data map[string][]byte) { clear(data) }, false},
		"a missing token is none":                         {func(data map[string][]byte) { delete(data, handoff.KeyToken) }, false},
		"an empty token is none":                          {set(handoff.KeyToken, ""), false},
		"a token with a line break is none":               {both("text\n"), false},
		"another token than that of the config is none":   {set(handoff.KeyToken, "other"), false},
		"a missing config is none":                        {func(data map[string][]byte) { delete(data, handoff.KeyDockerConfigJSON) }, false},
		"a config without logins is none":                 {set(handoff.KeyDockerConfigJSON, `{"auths":{}}`), false},
		"a config that is not JSON is none":               {set(handoff.KeyDockerConfigJSON, "{"), false},
		"a config with another token is none":             {set(handoff.KeyDockerConfigJSON, dockerConfig("edge-puller.factory", "other")), false},
		"a config whose password is another is none":      {set(handoff.KeyDockerConfigJSON, strings.Replace(formerDockerConfig("edge-puller.factory", pullToken), `"`+pullToken+`"`, `"other"`, 1)), false},
		"a config whose auth is not base64 is none":       {set(handoff.KeyDockerConfigJSON, `{"auths":{"h":{"password":"pull-token-text","auth":"%"}}}`), false},
		"a config whose auth holds another token is none": {set(handoff.KeyDockerConfigJSON, `{"auths":{"h":{"password":"pull-token-text","auth":"dTpv"}}}`), false},
		"a config with a password alone is none":          {set(handoff.KeyDockerConfigJSON, `{"auths":{"h":{"password":"pull-token-text"}}}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			data := must(handoff.PullData(validInput()))
			test.change(data)
			token, found := handoff.Token(data)
			g.Expect(found).To(Equal(test.found))
			if test.found {
				g.Expect(token.Reveal()).To(Equal(pullToken))
			} else {
				g.Expect(token.IsZero()).To(BeTrue())
			}
		})
	}
}

// both puts one token in both places, as no publication would.
func both(token string) func(map[string][]byte) {
	return func(data map[string][]byte) {
		data[handoff.KeyToken] = []byte(token)
		data[handoff.KeyDockerConfigJSON] = []byte(dockerConfig("edge-puller.factory", token))
	}
}

// FuzzToken feeds what a person may have made of a Secret. Whatever is accepted
// must be publishable and be found again.
func FuzzToken(f *testing.F) {
	for _, data := range []map[string][]byte{must(handoff.PublishData(validInput())), must(handoff.PullData(validInput()))} {
		f.Add(data[handoff.KeyToken], data[handoff.KeyDockerConfigJSON])
	}
	f.Add([]byte("t"), []byte(`{"auths":null}`))
	f.Add([]byte(""), []byte(`{"auths":{"h":{"auth":""}}}`))
	f.Add([]byte("t"), []byte(dockerConfig("u", "t")))
	f.Add([]byte("t"), []byte(formerDockerConfig("u", "t")))
	f.Fuzz(func(t *testing.T, token, config []byte) {
		found, ok := handoff.Token(map[string][]byte{handoff.KeyToken: token, handoff.KeyDockerConfigJSON: config})
		if !ok {
			return
		}
		if found.Reveal() != string(token) {
			t.Fatal("found a token that the Secret does not hold")
		}
		in := validInput()
		in.Puller.Token = found
		data, err := handoff.PullData(in)
		if err != nil {
			t.Fatalf("a token that was found cannot be published again: %v", err)
		}
		again, ok := handoff.Token(data)
		if !ok || !again.Equal(found) {
			t.Fatal("a published token was not found again")
		}
	})
}

func BenchmarkPublishData(b *testing.B) {
	benchmark(b, handoff.PublishData)
}

func BenchmarkPullData(b *testing.B) {
	benchmark(b, handoff.PullData)
}

func benchmark(b *testing.B, data func(handoff.Input) (map[string][]byte, error)) {
	in := validInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := data(in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkToken is what a pass does with each published Secret.
func BenchmarkToken(b *testing.B) {
	data, err := handoff.PullData(validInput())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, intact := handoff.Token(data); !intact {
			b.Fatal("the token is not found")
		}
	}
}
