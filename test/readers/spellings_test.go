// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package readers_test

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// What the libraries find in a file that is not ours, in each spelling that people and programs leave. By this the operator
// reads the logins that are supplied to it (controllers/external/entry.go): what all of them read alike, it reads, and what
// they read differently it refuses or, where only one thing can be meant, reads as that.
func TestWhatReadersFindInEachSpellingOfALogin(t *testing.T) {
	// Neither has a length that three divides, so that base64 ends it with '='.
	const one, two = "u:some-token", "v:another-one"
	pair := func(login string) string { return base64.StdEncoding.EncodeToString([]byte(login)) }
	auth := func(field string) string { return `{"auth": "` + field + `"}` }
	at := func(key, entry string) string { return `"` + key + `": ` + entry }
	const all = "all"
	for name, test := range map[string]struct {
		auths string
		// want is the login that is found: by all, or by those whose names are in it.
		want, by string
	}{
		"the host":                        {at(host, auth(pair(one))), one, all},
		"https://":                        {at("https://"+host, auth(pair(one))), one, all},
		"http://":                         {at("http://"+host, auth(pair(one))), one, all},
		"a slash at the end":              {at(host+"/", auth(pair(one))), one, all},
		"https://, and /v1/ behind":       {at("https://"+host+"/v1/", auth(pair(one))), one, "kubelet docker crane oras"},
		"the port of HTTPS":               {at(host+":443", auth(pair(one))), "", all},
		"upper case":                      {at(strings.ToUpper(host), auth(pair(one))), "", all},
		"HTTPS:// in upper case":          {at("HTTPS://"+host, auth(pair(one))), one, "docker crane"},
		"a star for a part":               {at("*.apps.example.test", auth(pair(one))), one, "kubelet"},
		"a path that covers the image":    {at(host+"/factory", auth(pair(one))), one, "kubelet docker crane oras"},
		"no = at the end":                 {at(host, auth(strings.TrimRight(pair("u:some-toke"), "="))), "u:some-toke", "kubelet"},
		"base64 of URLs":                  {at(host, auth(base64.URLEncoding.EncodeToString([]byte("u:???>>>~~~")))), "", all},
		"a line break behind the base64":  {at(host, auth(pair(one)+`\n`)), one, all},
		"a blank behind the base64":       {at(host, auth(pair(one)+" ")), "", all},
		"a line break in the token":       {at(host, auth(pair(one+"\n"))), one + "\n", all},
		"no colon":                        {at(host, auth(pair("token"))), "", all},
		"colons in the token":             {at(host, auth(pair("u:a:b:c"))), "u:a:b:c", all},
		"username and password":           {at(host, `{"username": "u", "password": "some-token"}`), one, all},
		"auth that is empty beside them":  {at(host, `{"username": "u", "password": "some-token", "auth": ""}`), one, all},
		"auth that is null beside them":   {at(host, `{"username": "u", "password": "some-token", "auth": null}`), one, all},
		"auth that disagrees with them":   {at(host, `{"username": "x", "password": "y", "auth": "`+pair(one)+`"}`), one, all},
		"auth that is none beside them":   {at(host, `{"username": "u", "password": "some-token", "auth": "!"}`), "", all},
		"an identity token beside auth":   {at(host, `{"identitytoken": "x", "auth": "`+pair(one)+`"}`), one, all},
		"a registry token beside auth":    {at(host, `{"registrytoken": "x", "auth": "`+pair(one)+`"}`), one, all},
		"a field that nobody knows":       {at(host, `{"auth": "`+pair(one)+`", "note": 5}`), one, all},
		"a password that is a number":     {at(host, `{"username": "u", "password": 5}`), "", all},
		"an empty entry":                  {at(host, `{}`), "", all},
		"null":                            {at(host, `null`), "", all},
		"another's entry of another form": {at("other.example", "5") + ", " + at(host, auth(pair(one))), one, "oras"},
		"the same key twice":              {at(host, auth(pair(one))) + ", " + at(host, auth(pair(two))), two, all},
		"auth twice":                      {at(host, `{"auth": "`+pair(one)+`", "auth": "`+pair(two)+`"}`), two, all},
		"auth in another case":            {at(host, `{"Auth": "`+pair(one)+`"}`), one, all},
	} {
		t.Run(name, func(t *testing.T) {
			for _, reader := range readers {
				if reader.module == "" {
					continue
				}
				g := NewWithT(t)
				p := newPlace(t, []byte(`{"auths": {`+test.auths+`}}`))
				g.Expect(os.WriteFile(p.file(), p.content, 0o600)).To(Succeed())
				found, err := reader.find(t.Context(), p)
				g.Expect(errors.Is(err, errSkip)).To(BeFalse())
				user, token, _ := strings.Cut(test.want, ":")
				finds := test.want != "" && err == nil && found == login{user, token}
				g.Expect(finds).To(Equal(test.want != "" && (test.by == all || strings.Contains(test.by, reader.name))), "%s finds %q, and the error is %v", reader.name, found.user, err)
				if test.want == "" {
					g.Expect(found).To(BeZero(), reader.name)
				}
			}
		})
	}
}
