// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestErrorsAndWarningsDoNotRepeatAToken(t *testing.T) {
	token := "eyJ" + strings.Repeat("a", 300) + "." + strings.Repeat("b_", 200) + "." + strings.Repeat("-c", 40)
	stars := strings.Repeat("*", len(token))
	name := strings.Repeat("n", 253)
	for what, test := range map[string]struct {
		status     int
		said, told string
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
			told, err := io.ReadAll(answer.Body)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Body.Close()).To(Succeed())
			g.Expect(string(told)).To(Equal(test.told))
			g.Expect(answer.Header.Get("Warning")).To(Equal(`299 - "` + stars + `"`))
		})
	}
}
