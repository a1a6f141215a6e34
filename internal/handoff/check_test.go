// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"bytes"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func TestInputThatCannotBePublishedIsRefused(t *testing.T) {
	const secret = "secret-text"
	setHost := func(host string) func(*handoff.Input) { return func(in *handoff.Input) { in.Host = host } }
	setProject := func(project string) func(*handoff.Input) { return func(in *handoff.Input) { in.Project = project } }
	setUser := func(user string) func(*handoff.Input) { return func(in *handoff.Input) { in.Puller.User = user } }
	setToken := func(token string) func(*handoff.Input) {
		return func(in *handoff.Input) { in.Puller.Token = credential.NewToken(token) }
	}
	for name, test := range map[string]struct {
		change func(*handoff.Input)
		says   string
	}{
		"no host":                      {setHost(""), "host"},
		"a host with a port too high":  {setHost("registry.example.test:500000"), "port"},
		"a host with a scheme":         {setHost("https://registry.example.test"), "scheme"},
		"a host in capitals":           {setHost("Registry.example.test"), "host"},
		"a host without a dot":         {setHost("registry"), "dot"},
		"a host with an empty label":   {setHost("registry..example.test"), "host"},
		"a host that leads upwards":    {setHost("../../etc"), "host"},
		"a host that ends a quotation": {setHost("registry.test';id;'"), "host"},
		"a host with a second line":    {setHost("registry.test\nid"), "host"},
		"a host that ends in a line":   {setHost("registry.test\n"), "host"},
		"a label beyond 63":            {setHost(strings.Repeat("a", 64) + ".test"), "host"},
		"a host beyond 253":            {setHost(strings.Repeat("a.", 127) + "test"), "host"},

		"a project with a space":          {setProject("fac tory"), "project"},
		"a project that leads upwards":    {setProject("../x"), "project"},
		"a project that ends a quotation": {setProject("x';id;'"), "project"},

		"no user":                     {setUser(""), "puller: user"},
		"a user with a colon":         {setUser("system:serviceaccount:factory:edge-puller"), "puller: user"},
		"a user with a line break":    {setUser("edge\npuller"), "puller: user"},
		"a user beyond ASCII":         {setUser("édge"), "puller: user"},
		"no publisher":                {func(in *handoff.Input) { in.Publisher = handoff.Login{} }, "publisher: user"},
		"no token":                    {setToken(""), "puller: token"},
		"a publisher without a token": {func(in *handoff.Input) { in.Publisher.Token = credential.Token{} }, "publisher: token"},
		"a token with a line break":   {setToken(secret + "\n"), "puller: token"},
		"a token with a space":        {setToken(secret + " " + secret), "puller: token"},
		"a token that is not text":    {setToken(secret + "\xff"), "puller: token"},
	} {
		t.Run(name, func(t *testing.T) {
			in := validInput()
			test.change(&in)
			expectRefusal(t, in, test.says, secret)
		})
	}
}

func TestCAThatCannotBePublishedWholeIsRefused(t *testing.T) {
	ca := registryCA().pem
	for name, test := range map[string]struct {
		ca   []byte
		says string
	}{
		"no CA":                          {nil, "no certificate"},
		"text without PEM":               {[]byte("END_OF_CA\nid\n"), "no certificate"},
		"a private key besides":          {slices.Concat(ca, pemBlock("PRIVATE KEY", []byte("secret-key-text"))), "PRIVATE KEY"},
		"a certificate that is none":     {slices.Concat(ca, pemBlock("CERTIFICATE", []byte("END_OF_CA"))), "block 2"},
		"a second certificate cut short": {slices.Concat(ca, ca[:len(ca)/2]), "2 PEM blocks but 1"},
		"a first certificate damaged":    {slices.Concat(bytes.Replace(ca, []byte("M"), []byte("!"), 1), ca), "2 PEM blocks but 1"},
	} {
		t.Run(name, func(t *testing.T) {
			in := validInput()
			in.CA = test.ca
			expectRefusal(t, in, test.says, "secret-key-text")
		})
	}
}

func expectRefusal(t *testing.T, in handoff.Input, says, secret string) {
	t.Helper()
	g := NewWithT(t)
	for _, publish := range []func(handoff.Input) (map[string][]byte, error){handoff.PublishData, handoff.PullData} {
		data, err := publish(in)
		g.Expect(data).To(BeNil())
		g.Expect(err).To(MatchError(ContainSubstring(says)))
		g.Expect(err.Error()).NotTo(Or(ContainSubstring("\n"), ContainSubstring(secret), ContainSubstring(pullToken)))
	}
}

func TestPlausibleInputIsAccepted(t *testing.T) {
	for name, change := range map[string]func(*handoff.Input){
		"the default route of OpenShift": func(in *handoff.Input) { in.Host = "default-route-openshift-image-registry.apps.example.test" },
		"a host of 253 characters":       func(in *handoff.Input) { in.Host = strings.Repeat("a.", 126) + "b" },
		"a host with a port":             func(in *handoff.Input) { in.Host = "registry.example.test:5000" },
		"a name without a dot, with one": func(in *handoff.Input) { in.Host = "localhost:5000" },
		"no project":                     func(in *handoff.Input) { in.Project = "" },
		"no publisher where there is none": func(in *handoff.Input) {
			in.Publisher, in.PullOnly = handoff.Login{}, true
		},
		"no CA where public ones do":     func(in *handoff.Input) { in.CA, in.PublicCAs = nil, true },
		"a user of Harbor":               func(in *handoff.Input) { in.Puller.User = "robot$plant+edge" },
		"a nested project":               func(in *handoff.Input) { in.Project = "team/factory_1" },
		"the user of an API key":         func(in *handoff.Input) { in.Puller.User = "iamapikey" },
		"a token with colons":            func(in *handoff.Input) { in.Puller.Token = credential.NewToken("a:b:c") },
		"a token that JSON would escape": func(in *handoff.Input) { in.Puller.Token = credential.NewToken(`<&"\>`) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := validInput()
			change(&in)
			data := must(handoff.PullData(in))
			token, found := handoff.Token(data)
			g.Expect(found).To(BeTrue())
			g.Expect(token.Equal(in.Puller.Token)).To(BeTrue(), "the token that was published is found again")
		})
	}
}

// A person's bundle has comments, headers and foreign line ends, any of which
// could end a here-document or break a reader stricter than Go.
func TestOnlyTheCertificatesOfTheCAArePublished(t *testing.T) {
	g := NewWithT(t)
	ca := registryCA().pem
	block, _ := pem.Decode(ca)
	block.Headers = map[string]string{"Comment": "END_OF_CA"}

	in := validInput()
	in.CA = slices.Concat(
		[]byte("# our root\nEND_OF_CA\nid\n"), pem.EncodeToMemory(block), []byte("END_OF_CA\n"),
		bytes.ReplaceAll(foreignCA().pem, []byte("\n"), []byte("\r\n")))
	data := must(handoff.PullData(in))

	want := string(slices.Concat(ca, foreignCA().pem))
	g.Expect(string(data[handoff.KeyCA])).To(Equal(want))
	script := string(data[handoff.KeyNodeBootstrap])
	g.Expect(script).To(ContainSubstring("<<'END_OF_CA'\n" + want + "END_OF_CA\n"))
	g.Expect(strings.Count(script, "END_OF_CA")).To(Equal(2))
}
