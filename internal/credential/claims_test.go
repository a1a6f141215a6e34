// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// payload is what kube-apiserver puts into a token that is bound to a Secret.
const payload = `{
	"aud": ["https://kubernetes.default.svc"],
	"exp": 1788264000, "iat": 1780488000, "nbf": 1780488000,
	"iss": "https://kubernetes.default.svc",
	"jti": "0d9c1f1e-2f0b-4b54-9d0f-0a6c5b1f6d11",
	"kubernetes.io": {
		"namespace": "factory",
		"secret": {"name": "factory-pull-1", "uid": "6c7f1d5a-0000-4000-8000-000000000001"},
		"serviceaccount": {"name": "edge-puller", "uid": "6c7f1d5a-0000-4000-8000-000000000002"}
	},
	"sub": "system:serviceaccount:factory:edge-puller"
}`

// payload128 is what kube-apiserver of Kubernetes 1.28 and 1.29 puts there: no "jti", which 1.30 writes first.
const payload128 = `{
	"aud": ["https://kubernetes.default.svc"],
	"exp": 1788264000, "iat": 1780488000,
	"iss": "https://kubernetes.default.svc",
	"kubernetes.io": {
		"namespace": "factory",
		"secret": {"name": "factory-pull-1", "uid": "6c7f1d5a-0000-4000-8000-000000000001"},
		"serviceaccount": {"name": "edge-puller", "uid": "6c7f1d5a-0000-4000-8000-000000000002"}
	},
	"nbf": 1780488000,
	"sub": "system:serviceaccount:factory:edge-puller"
}`

// kept is what kube-controller-manager puts into a token that it keeps in a Secret.
const kept = `{
	"iss": "kubernetes/serviceaccount",
	"kubernetes.io/serviceaccount/namespace": "factory",
	"kubernetes.io/serviceaccount/secret.name": "factory-pull-2",
	"kubernetes.io/serviceaccount/service-account.name": "edge-puller",
	"kubernetes.io/serviceaccount/service-account.uid": "6c7f1d5a-0000-4000-8000-000000000002",
	"sub": "system:serviceaccount:factory:edge-puller"
}`

func token(payload string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2lnbmF0dXJl"
}

func TestReadClaims(t *testing.T) {
	want := credential.Claims{
		ID:                "0d9c1f1e-2f0b-4b54-9d0f-0a6c5b1f6d11",
		Namespace:         "factory",
		ServiceAccount:    "edge-puller",
		ServiceAccountUID: "6c7f1d5a-0000-4000-8000-000000000002",
		SecretName:        "factory-pull-1",
		SecretUID:         "6c7f1d5a-0000-4000-8000-000000000001",
		IssuedAt:          time.Date(2026, time.June, 3, 12, 0, 0, 0, time.UTC),
		Expiry:            time.Date(2026, time.September, 1, 12, 0, 0, 0, time.UTC),
	}
	lasting := credential.Claims{
		Namespace: "factory", ServiceAccount: "edge-puller", ServiceAccountUID: want.ServiceAccountUID, SecretName: "factory-pull-2",
	}
	unnamed := want
	unnamed.ID = ""
	unbound := want
	unbound.SecretName, unbound.SecretUID = "", ""
	for _, tt := range []struct {
		name    string
		payload string
		want    credential.Claims
	}{
		{"a token bound to a Secret", payload, want},
		{"a token bound to a Secret, as Kubernetes 1.28 and 1.29 write it", payload128, unnamed},
		{"a token bound to nothing", strings.Replace(payload, `"secret"`, `"pod"`, 1), unbound},
		{"dates with a fraction, as other issuers write them", strings.NewReplacer("1788264000", "1.788264e9", "1780488000", "1780488000.25").Replace(payload), want},
		{"optional claims that are empty", strings.Replace(payload, `"jti": "0d9c1f1e-2f0b-4b54-9d0f-0a6c5b1f6d11"`, `"jti": ""`, 1), unnamed},
		{"an optional claim that is null", strings.Replace(payload, `"0d9c1f1e-2f0b-4b54-9d0f-0a6c5b1f6d11"`, `null`, 1), unnamed},
		{"one audience without a list", strings.Replace(payload, `["https://kubernetes.default.svc"]`, `"https://kubernetes.default.svc"`, 1), want},
		{"a claim that is there twice, of which JSON takes the last", strings.Replace(payload, `"exp": 1788264000`, `"exp": 1, "exp": 1788264000`, 1), want},
		{"claims that nobody knows", strings.Replace(payload, "{", `{"kubernetes.io/later": {"a": 1}, "amr": [],`, 1), want},
		{"a token that is kept in a Secret", kept, lasting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := credential.ReadClaims(credential.NewToken(token(tt.payload)))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tt.want))
			g.Expect(got.Expires()).To(Equal(tt.payload != kept))
		})
	}
}

func TestReadClaimsRefusesAndTellsNothing(t *testing.T) {
	without := func(line string) string { return token(strings.Replace(payload, line, "", 1)) }
	for name, malformed := range map[string]string{
		"nothing":                      "",
		"one part":                     "sha256~secretsecret",
		"two parts":                    "secretsecret.secretsecret",
		"four parts":                   token(payload) + ".secretsecret",
		"a payload that is not base64": "secretsecret.!secret!secret!.secretsecret",
		"a payload with padding":       "secretsecret.e30=.secretsecret",
		"a payload that is not JSON":   token(`secretsecret`),
		"a claim of another type":      token(strings.Replace(payload, "1788264000", `"secretsecret"`, 1)),
		"a payload with an odd name":   token(strings.Replace(payload, `{"name": "edge-puller"`, `{"name": {"secretsecret": 1}`, 1)),
		"no expiry":                    without(`"exp": 1788264000,`),
		"no service account":           without(`"name": "edge-puller",`),
		"no UID of the account":        without(`, "uid": "6c7f1d5a-0000-4000-8000-000000000002"`),
		"no UID of the Secret":         without(`, "uid": "6c7f1d5a-0000-4000-8000-000000000001"`),
		"no name of the Secret":        without(`"name": "factory-pull-1", `),
		"a kept token without UID":     token(strings.Replace(kept, "service-account.uid", "service-account.was", 1)),
		"a kept token without account": token(`{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"secretsecret"}`),
		"a kept token without Secret":  token(strings.Replace(kept, "secret.name", "secret.was", 1)),
		"a kept token of another":      token(strings.Replace(kept, "kubernetes/serviceaccount", "https://kubernetes.default.svc", 1)),
		"a kept token that expires":    token(strings.Replace(kept, "{", `{"exp": 1788264000,`, 1)),
		"a token of both kinds":        token(strings.Replace(payload, "{", `{"kubernetes.io/serviceaccount/service-account.name": "secretsecret",`, 1)),
		"an empty object":              token(`{}`),
		"null":                         token(`null`),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := credential.ReadClaims(credential.NewToken(malformed))
			g.Expect(err).To(HaveOccurred())
			g.Expect(got).To(BeZero())
			expectNoPart(t, fmt.Sprintf("%v %+v %#v", err, err, err), malformed)
		})
	}
}

// expectNoPart checks that the message repeats nothing of the input, decoded or not.
func expectNoPart(t *testing.T, message, input string) {
	t.Helper()
	parts := strings.Split(input, ".")
	for _, part := range parts {
		if decoded, err := base64.RawURLEncoding.DecodeString(part); err == nil {
			parts = append(parts, string(decoded))
		}
	}
	for _, part := range append(parts, "secretsecret") {
		if len(part) > 4 && strings.Contains(message, part) {
			t.Error("the error repeats a part of the input")
		}
	}
}

func FuzzReadClaims(f *testing.F) {
	f.Add(token(payload))
	f.Add(token(`{"jti":"x","exp":1,"kubernetes.io":{"serviceaccount":{"name":"x","uid":"y"}}}`))
	f.Add(token(payload128))
	f.Add(token(kept))
	f.Add("a.e30.c")
	f.Add("")
	constant := func() string {
		_, err := credential.ReadClaims(credential.Token{})
		return err.Error()
	}()
	f.Fuzz(func(t *testing.T, input string) {
		claims, err := credential.ReadClaims(credential.NewToken(input))
		switch {
		case err != nil && (err.Error() != constant || claims != credential.Claims{}):
			t.Error("a refusal depends on the input")
		case err == nil && (claims.ServiceAccount == "" || claims.ServiceAccountUID == "" || (claims.ID != "" && !claims.Expires()) || claims.Expires() == claims.IssuedAt.IsZero()):
			t.Errorf("incomplete claims %+v", claims)
		}
	})
}
