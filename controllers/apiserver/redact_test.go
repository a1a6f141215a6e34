// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestErrorsAndWarningsDoNotRepeatAToken(t *testing.T) {
	token := "eyJ" + strings.Repeat("a", 300) + "." + strings.Repeat("b_", 200) + "." + strings.Repeat("-c", 40)
	stars := strings.Repeat("*", len(token))
	name := strings.Repeat("n", 253)
	for what, test := range map[string]struct {
		status        int
		said, printed string
	}{
		"an error":       {http.StatusUnprocessableEntity, `Secret "s" is invalid: "` + token + `"`, `Secret "s" is invalid: "` + stars + `"`},
		"two in one":     {http.StatusInternalServerError, token + " " + token, stars + " " + stars},
		"a long name":    {http.StatusForbidden, `secrets "` + name + `" is forbidden`, `secrets "` + name + `" is forbidden`},
		"no error":       {http.StatusCreated, token, token},
		"an empty error": {http.StatusBadGateway, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			answers := redactTokens(RoundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: test.status, Body: io.NopCloser(strings.NewReader(test.said)),
					Header: http.Header{"Warning": {`299 - "` + token + `"`}},
				}, nil
			}))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.test", http.NoBody)
			g.Expect(err).NotTo(HaveOccurred())
			answer, err := answers.RoundTrip(request)
			g.Expect(err).NotTo(HaveOccurred())
			printed, err := io.ReadAll(answer.Body)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Body.Close()).To(Succeed())
			g.Expect(string(printed)).To(Equal(test.printed))
			g.Expect(answer.Header.Get("Warning")).To(Equal(`299 - "` + stars + `"`))
		})
	}
}

// forms are how a refusal may repeat a secret.
func forms(secret string) map[string]string {
	inJSON, _ := json.Marshal(map[string]string{"password": secret})
	return map[string]string{
		"raw":               secret,
		"base64":            base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"base64 for URLs":   base64.RawURLEncoding.EncodeToString([]byte("a:" + secret + ":b")),
		"escaped for a URL": url.QueryEscape(secret),
		"in JSON":           string(inJSON),
	}
}

// A secret that is no longer than a name is known by its value, also that by which the operator itself is known.
func TestErrorsAndWarningsDoNotRepeatASecret(t *testing.T) {
	for _, own := range []bool{false, true} {
		secret := fmt.Sprintf("redact_test: a pass/word & more %t", own)
		for form, said := range forms(secret) {
			g := NewWithT(t)
			answers := redactTokens(RoundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader("denied: " + said)),
					Header: http.Header{"Warning": {`299 - "not ` + said + `"`}},
				}, nil
			}))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.test", http.NoBody)
			g.Expect(err).NotTo(HaveOccurred())
			if own {
				request.Header.Set("Authorization", "Bearer "+secret)
			} else {
				credential.NewToken(secret)
			}
			answer, err := answers.RoundTrip(request)
			g.Expect(err).NotTo(HaveOccurred())
			printed, err := io.ReadAll(answer.Body)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Body.Close()).To(Succeed())
			g.Expect(printed).To(HaveLen(len("denied: "+said)), "protobuf states the length")
			g.Expect(string(printed)).To(MatchRegexp(`^denied: [^*]{0,16}\*{24,}[^*]{0,5}$`), form)
			g.Expect(answer.Header.Get("Warning")).To(MatchRegexp(`^299 - "not .{0,16}\[redacted\].{0,5}"$`), form)
		}
	}
}

func TestEventsHoldNoSecret(t *testing.T) {
	secret := "redact_test: told in an event"
	credential.Know(secret)
	for form, said := range forms(secret) {
		recorder := events.NewFakeRecorder(1)
		RedactEvents(recorder).Eventf(nil, nil, "Normal", "Minted", "Reconcile", "a token %s", said)
		NewWithT(t).Expect(<-recorder.Events).To(MatchRegexp(`^Normal Minted a token .{0,16}\[redacted\].{0,5}$`), form)
	}
}
