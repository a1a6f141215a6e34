// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func auth(pair string) string {
	return fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(pair)))
}

func TestWhichEntryIsTaken(t *testing.T) {
	const host, prefix = "registry.example.com:5000", "plant/edge"
	one := auth("u:p-secret")
	for name, test := range map[string]struct {
		auths string
		// user and password that are found, or what the refusal says.
		user, password, says string
	}{
		"the host":                             {`"registry.example.com:5000":` + one, "u", "p-secret", ""},
		"with a scheme":                        {`"https://registry.example.com:5000":` + one, "u", "p-secret", ""},
		"with v1 behind, as docker once wrote": {`"https://registry.example.com:5000/v1/":` + one, "u", "p-secret", ""},
		"with v2 behind":                       {`"registry.example.com:5000/v2":` + one, "u", "p-secret", ""},
		"in capitals":                          {`"Registry.Example.com:5000":` + one, "u", "p-secret", ""},
		"the whole prefix":                     {`"registry.example.com:5000/plant/edge":` + one, "u", "p-secret", ""},
		"the longest path that covers it": {`"registry.example.com:5000":` + auth("a:a") + `,"registry.example.com:5000/plant":` + auth("b:b") +
			`,"registry.example.com:5000/plant/edge/deep":` + auth("c:c"), "b", "b", ""},
		"another's beside":        {`"other.example.com":` + auth("a:a") + `,"registry.example.com:5000":` + one, "u", "p-secret", ""},
		"two that say the same":   {`"https://registry.example.com:5000":` + one + `,"registry.example.com:5000":` + one, "u", "p-secret", ""},
		"a password with colons":  {`"registry.example.com:5000":` + auth("u:p:q"), "u", "p:q", ""},
		"a user of Harbor":        {`"registry.example.com:5000":` + auth("robot$plant+edge:p"), "robot$plant+edge", "p", ""},
		"username and password":   {`"registry.example.com:5000":{"username":"u","password":"p-secret"}`, "u", "p-secret", ""},
		"both, and they agree":    {`"registry.example.com:5000":{"username":"u","password":"p-secret","auth":"` + base64.StdEncoding.EncodeToString([]byte("u:p-secret")) + `"}`, "u", "p-secret", ""},
		"both, and they disagree": {`"registry.example.com:5000":{"username":"u","password":"q-secret","auth":"` + base64.StdEncoding.EncodeToString([]byte("u:p-secret")) + `"}`, "", "", "another login"},

		"another's of another form beside":     {`"other.example.com":"secret","registry.example.com:5000":` + one, "u", "p-secret", ""},
		"one of another form that covers less": {`"registry.example.com:5000":"secret","registry.example.com:5000/plant":` + one, "u", "p-secret", ""},

		"a slash at the end":               {`"registry.example.com:5000/":` + one, "u", "p-secret", ""},
		"an auth without = at its end":     {`"registry.example.com:5000":{"auth":"` + strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("u:p-secret1")), "=") + `"}`, "u", "p-secret1", ""},
		"an auth with a line break behind": {`"registry.example.com:5000":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("u:p-secret")) + `\n"}`, "u", "p-secret", ""},
		"an auth in the base64 of URLs":    {`"registry.example.com:5000":{"auth":"` + base64.URLEncoding.EncodeToString([]byte("u:secret???>>>")) + `"}`, "", "", "not the base64"},
		"an auth that is empty":            {`"registry.example.com:5000":{"username":"u","password":"p-secret","auth":""}`, "u", "p-secret", ""},
		"an auth that is null":             {`"registry.example.com:5000":{"username":"u","password":"p-secret","auth":null}`, "u", "p-secret", ""},
		"an auth in another case":          {`"registry.example.com:5000":` + strings.Replace(one, "auth", "AUTH", 1), "u", "p-secret", ""},
		"an auth twice":                    {`"registry.example.com:5000":{"auth":"bm8=",` + strings.TrimPrefix(one, "{"), "u", "p-secret", ""},
		"the same key twice":               {`"registry.example.com:5000":` + auth("v:w") + `,"registry.example.com:5000":` + one, "u", "p-secret", ""},
		"an identity token that is empty":  {`"registry.example.com:5000":{"identitytoken":"",` + strings.TrimPrefix(one, "{"), "u", "p-secret", ""},
		"an identity token beside auth":    {`"registry.example.com:5000":{"identitytoken":"x-secret",` + strings.TrimPrefix(one, "{"), "", "", "identity token"},
		"fields of others":                 {`"registry.example.com:5000":{"email":"a@example.com","note":5,` + strings.TrimPrefix(one, "{"), "u", "p-secret", ""},
		"null":                             {`"registry.example.com:5000":null`, "", "", "without a user"},
		"a list":                           {`"registry.example.com:5000":["secret"]`, "", "", "that is no {"},
		"a password that is a number":      {`"registry.example.com:5000":{"username":"u","password":5}`, "", "", "no text in quotes"},
		"a star":                           {`"*.example.com:5000":` + one, "", "", "has no entry"},
		"two of which one is none":         {`"https://registry.example.com:5000":{},"registry.example.com:5000":` + one, "", "", "without a user"},

		"none":                         {``, "", "", "has no entry"},
		"another port":                 {`"registry.example.com":` + one, "", "", "has no entry"},
		"a look-alike":                 {`"registry.example.com.evil.example:5000":` + one, "", "", "has no entry"},
		"a user before a look-alike":   {`"registry.example.com:5000@evil.example":` + one, "", "", "has no entry"},
		"half a segment of the prefix": {`"registry.example.com:5000/pla":` + one, "", "", "has no entry"},
		"more than the prefix":         {`"registry.example.com:5000/plant/edge2":` + one, "", "", "has no entry"},
		"two that differ":              {`"https://registry.example.com:5000":` + one + `,"registry.example.com:5000":` + auth("v:w"), "", "", "they differ"},
		"http":                         {`"http://registry.example.com:5000":` + one, "", "", "has an entry for http://"},
		"an identity token":            {`"registry.example.com:5000":{"identitytoken":"x-secret"}`, "", "", "identity token"},
		"a registry token":             {`"registry.example.com:5000":{"registrytoken":"x-secret"}`, "", "", "registry token"},
		"an auth that is none":         {`"registry.example.com:5000":{"auth":"!-secret"}`, "", "", "not the base64"},
		"an auth without a colon":      {`"registry.example.com:5000":` + auth("secret"), "", "", "not the base64"},
		"an empty entry":               {`"registry.example.com:5000":{}`, "", "", "without a user"},
		"no password":                  {`"registry.example.com:5000":` + auth("u:"), "", "", "without a password"},
		"a user with a colon":          {`"registry.example.com:5000":{"username":"u:v","password":"p-secret"}`, "", "", "a ':'"},
		"a password with a line break": {`"registry.example.com:5000":` + auth("u:p\nsecret"), "", "", "line break"},
		"a password beyond ASCII":      {`"registry.example.com:5000":` + auth("u:pä-secret"), "", "", "beyond ASCII"},
		"a form that is another's":     {`"registry.example.com:5000":"secret"`, "", "", "that is no {"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := pick([]byte(`{"auths":{`+test.auths+`}}`), host, prefix)
			for range 20 {
				// A map has no order, and what is said has one.
				again, other := pick([]byte(`{"auths":{`+test.auths+`}}`), host, prefix)
				g.Expect(again.equal(found)).To(BeTrue())
				g.Expect(fmt.Sprint(other)).To(Equal(fmt.Sprint(err)))
			}
			if test.says != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.says)))
				g.Expect(strings.Contains(err.Error(), "secret")).To(BeFalse(), "a value shows")
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.user).To(Equal(test.user))
			g.Expect(found.token.Reveal() == test.password).To(BeTrue())
		})
	}
}

func TestWithoutAPrefixOnlyTheHostCovers(t *testing.T) {
	g := NewWithT(t)
	_, err := pick([]byte(`{"auths":{"registry.example.com/plant":`+auth("u:p")+`}}`), "registry.example.com", "")
	g.Expect(missing(err)).To(BeTrue())
	found, err := pick([]byte(`{"auths":{"registry.example.com:443":`+auth("u:p")+`}}`), "registry.example.com", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.user).To(Equal("u"))
}

func TestWhichHostsAnAdminAllows(t *testing.T) {
	for pattern, hosts := range map[string]map[string]bool{
		"registry.example.com":      {"registry.example.com": true, "registry.example.com:5000": false, "a.registry.example.com": false},
		"registry.example.com:5000": {"registry.example.com:5000": true, "registry.example.com": false},
		"*.example.com":             {"a.example.com": true, "a.b.example.com": true, "example.com": false, "a.example.com:5000": false, "aexample.com": false, "a.example.com.evil.test": false},
		"*.example.com:5000":        {"a.example.com:5000": true, "a.example.com": false},
	} {
		for host, want := range hosts {
			g := NewWithT(t)
			g.Expect(New(Config{Hosts: []string{"other.test", pattern}}).allows(host)).To(Equal(want), "%s by %s", host, pattern)
			g.Expect(New(Config{}).allows(host)).To(BeTrue())
		}
	}
}

// A file is read as editors leave it.
func TestAFileOfLoginsAsEditorsLeaveIt(t *testing.T) {
	file := `{"auths": {"registry.example.com": ` + auth("u:p") + `}}`
	for name, content := range map[string]string{
		"a byte order mark":    "\ufeff" + file,
		"line ends of Windows": strings.ReplaceAll(file, " ", "\r\n"),
		"a line end behind it": file + "\n\n",
		"other settings":       `{"credsStore": "x", "HttpHeaders": {}, "auths": {"registry.example.com": ` + auth("u:p") + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := pick([]byte(content), "registry.example.com", "")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.user).To(Equal("u"))
		})
	}
}
