// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestALoginIsReadAsPeopleWriteIt(t *testing.T) {
	for _, tt := range []struct {
		name, url, auth string
		base, user      string
	}{
		{"as hzn takes it", "https://hub.example/edge-exchange/v1", "alice:pass:word", "https://hub.example/edge-exchange/v1", "plant/alice"},
		{"a slash at the end", "https://hub.example:3090/v1/", "plant/alice:pass:word", "https://hub.example:3090/v1", "plant/alice"},
		{"a user of another organisation", "https://hub.example/v1", "root/alice:pass:word", "https://hub.example/v1", "root/alice"},
		{"the port of HTTPS, and the scheme in capitals", "HTTPS://hub.example:443/v1", "alice:pass:word", "https://hub.example:443/v1", "plant/alice"},
		{"slashes at the end", "https://hub.example/v1//", "alice:pass:word", "https://hub.example/v1", "plant/alice"},
		{"a key of IBM Cloud", "https://hub.example/v1", "iamapikey:pass:word", "https://hub.example/v1", "plant/iamapikey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			got, problems := ParseLogin(map[string]string{KeyURL: tt.url, KeyOrg: "plant", KeyAuth: tt.auth})
			g.Expect(problems).To(BeEmpty())
			g.Expect(got.Base).To(Equal(tt.base))
			g.Expect(got.User).To(Equal(tt.user))
			g.Expect(got.Org).To(Equal("plant"))
			g.Expect(got.Password.Reveal() == "pass:word").To(BeTrue())
		})
	}
}

func TestEachThingThatIsWrongWithALoginIsOneLine(t *testing.T) {
	const secret = "a-long-secret-word"
	good := map[string]string{KeyURL: "https://hub.example/v1", KeyOrg: "plant", KeyAuth: "alice:" + secret}
	for _, tt := range []struct {
		name, key, value string
		want             []string
	}{
		{"no address", KeyURL, "", []string{KeyURL + " is missing or empty"}},
		{"http", KeyURL, "http://hub.example/v1", []string{"is not https://hub.example"}},
		{"no scheme", KeyURL, "hub.example/v1", []string{"is no address such as"}},
		{"a login in the address", KeyURL, "https://alice:" + secret + "@hub.example/v1", []string{"holds a login"}},
		{"a query", KeyURL, "https://hub.example/v1?x=1", []string{"does not end in /v1|has a query"}},
		{"not the API", KeyURL, "https://hub.example/edge-exchange", []string{"https://hub.example/edge-exchange/v1"}},
		{"a line break", KeyAuth, "alice:" + secret + "\n", []string{KeyAuth + " has a blank or a line break"}},
		{"line ends of Windows", KeyOrg, "plant\r\n", []string{KeyOrg + " has a blank or a line break"}},
		{"a byte order mark", KeyOrg, "\ufeffplant", []string{KeyOrg + " has a character that is not to be seen"}},
		{"a letter of no width", KeyAuth, "alice:" + secret + "\u200b", []string{KeyAuth + " has a character that is not to be seen"}},
		{"quotes of a file of variables", KeyOrg, `"plant"`, []string{KeyOrg + " is in quotes"}},
		{"single quotes", KeyAuth, "'alice:" + secret + "'", []string{KeyAuth + " is in quotes"}},
		{"an empty organisation", KeyOrg, "", []string{KeyOrg + " is missing or empty"}},
		{"the API in capitals", KeyURL, "https://hub.example/V1", []string{"does not end in /v1"}},
		{"no password", KeyAuth, secret, []string{"user:password"}},
		{"an empty password", KeyAuth, secret + ":", []string{"user:password"}},
		{"an empty user", KeyAuth, "plant/:" + secret, []string{"user:password"}},
		{"two slashes", KeyAuth, "a/b/c:" + secret, []string{"user:password"}},
		{"an organisation with a slash", KeyOrg, "plant/alice", []string{KeyOrg + " is the name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			values := map[string]string{KeyURL: good[KeyURL], KeyOrg: good[KeyOrg], KeyAuth: good[KeyAuth]}
			values[tt.key] = tt.value
			got, problems := ParseLogin(values)
			g.Expect(got.Base).To(BeEmpty())
			g.Expect(problems).To(HaveLen(len(tt.want)))
			for i, want := range tt.want {
				g.Expect(problems[i]).To(MatchRegexp(want))
				g.Expect(strings.Contains(problems[i], secret)).To(BeFalse(), "it repeats the value")
				g.Expect(problems[i]).NotTo(ContainSubstring("\n"))
			}
		})
	}
	g := NewWithT(t)
	_, problems := ParseLogin(map[string]string{})
	g.Expect(problems).To(HaveLen(3))
	_, problems = ParseLogin(map[string]string{KeyURL: "http://hub.example/v1", KeyOrg: "a/b", KeyAuth: "alice"})
	g.Expect(problems).To(HaveLen(3))
}
