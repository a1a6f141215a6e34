// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestBearerOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		want   map[string]string
	}{
		{"the challenge of OpenShift", []string{`Bearer realm="https://h/openshift/token"`}, map[string]string{"realm": "https://h/openshift/token"}},
		{"several parameters", []string{`bearer Realm="r", service="s,t" ,scope=x`}, map[string]string{"realm": "r", "service": "s,t", "scope": "x"}},
		{"escapes", []string{`Bearer realm="a\"b\\c"`}, map[string]string{"realm": `a"b\c`}},
		{"the first of two values of one key", []string{`Bearer realm="a",realm="b"`}, map[string]string{"realm": "a"}},
		{"the second header", []string{`Basic realm=openshift,error="x"`, `Bearer realm="r"`}, map[string]string{"realm": "r"}},
		{"behind another in one value", []string{`Basic realm="b", Bearer realm="r"`}, map[string]string{"realm": "r"}},
		{"a tab behind the scheme", []string{"Bearer\trealm=\"r\""}, map[string]string{"realm": "r"}},
		{"an empty parameter", []string{`Bearer realm="r",service="",error=""`}, map[string]string{"realm": "r", "service": "", "error": ""}},
		{"no parameters", []string{"Bearer"}, map[string]string{}},
		{"an open quote", []string{`Bearer realm="a`}, nil},
		{"an open escape", []string{`Bearer realm="a\`}, nil},
		{"no value, which is another scheme", []string{`Bearer realm`}, map[string]string{}},
		{"no key", []string{`Bearer ="a"`}, nil},
		{"another scheme", []string{`Bearerish realm="a"`}, nil},
		{"nothing", []string{""}, nil},
		{"no header", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			got, ok := bearerOf(tt.values, func(map[string]string) bool { return true })
			g.Expect(ok).To(Equal(tt.want != nil))
			g.Expect(got).To(Equal(tt.want))
		})
	}
}

// A proxy in the way may put a challenge of its own first.
func TestTheBearerThatSuitsIsTakenOfSeveral(t *testing.T) {
	for name, tt := range map[string]struct {
		values []string
		want   string
	}{
		"the first":             {[]string{`Bearer realm="ours"`, `Bearer realm="theirs"`}, "ours"},
		"the second":            {[]string{`Bearer realm="theirs"`, `Basic realm="ours"`, `Bearer realm="ours"`}, "ours"},
		"in one line":           {[]string{`Bearer realm="theirs", Bearer realm="ours"`}, "ours"},
		"none: the first is it": {[]string{`Bearer realm="theirs"`, `Bearer realm="others"`}, "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, ok := bearerOf(tt.values, func(params map[string]string) bool { return params["realm"] == "ours" })
			g.Expect(ok).To(BeTrue())
			g.Expect(got).To(HaveKeyWithValue("realm", tt.want))
		})
	}
}

func TestParseChallenges(t *testing.T) {
	for name, tt := range map[string]struct {
		values []string
		want   []challenge
	}{
		"two header lines":            {[]string{`Bearer realm="r",service="s"`, `Basic realm="b"`}, []challenge{{"bearer", map[string]string{"realm": "r", "service": "s"}}, {"basic", map[string]string{"realm": "b"}}}},
		"two in one":                  {[]string{`Basic realm="b", Bearer realm="r", service="s"`}, []challenge{{"basic", map[string]string{"realm": "b"}}, {"bearer", map[string]string{"realm": "r", "service": "s"}}}},
		"any case, without quotes":    {[]string{`bEARER Realm=https://h/t, SERVICE=s`}, []challenge{{"bearer", map[string]string{"realm": "https://h/t", "service": "s"}}}},
		"an empty scope":              {[]string{`Bearer realm="r",scope=""`}, []challenge{{"bearer", map[string]string{"realm": "r", "scope": ""}}}},
		"a comma in quotes":           {[]string{`Bearer scope="repository:a:pull,push",realm="r"`}, []challenge{{"bearer", map[string]string{"scope": "repository:a:pull,push", "realm": "r"}}}},
		"Negotiate beside":            {[]string{`Negotiate`, `Negotiate abc==, Basic realm="b"`}, []challenge{{"negotiate", map[string]string{}}, {"negotiate", map[string]string{"abc": "="}}, {"basic", map[string]string{"realm": "b"}}}},
		"blanks around the sign":      {[]string{`Basic realm = "b"`}, []challenge{{"basic", map[string]string{"realm": "b"}}}},
		"an open quote takes its own": {[]string{`Basic realm="b", Bearer realm="r`}, []challenge{{"basic", map[string]string{"realm": "b"}}}},
		"a parameter of nothing":      {[]string{`realm="r"`}, nil},
		"an empty header":             {[]string{``, ` , `}, nil},
		"nothing":                     {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(parseChallenges(tt.values)).To(Equal(tt.want))
		})
	}
}

func FuzzBearerOf(f *testing.F) {
	f.Add(`Bearer realm="https://h/openshift/token",service="a\"b"`)
	f.Add(`Bearer realm=`)
	f.Add(`Bearer a="\`)
	f.Fuzz(func(t *testing.T, value string) {
		params, ok := bearerOf([]string{value}, func(map[string]string) bool { return true })
		if ok && !strings.EqualFold(strings.TrimSpace(value)[:6], "Bearer") {
			t.Fatalf("a challenge in %q", value)
		}
		for key, text := range params {
			if key != strings.ToLower(key) || key == "" || len(text) > len(value) {
				t.Fatalf("%q=%q from %q", key, text, value)
			}
		}
	})
}
