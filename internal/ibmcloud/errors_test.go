// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestHowAnErrorIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		reply             reply
		kind              Kind
		code, transaction string
		text              string
	}{
		"of IAM": {errorOf(403, "BXNIM0513E", "You are not authorized."), Forbidden, "BXNIM0513E", "tx-1", "You are not authorized."},
		"of IAM, by its code alone": {
			reply{status: 403, body: `{"trace":"t-2","errors":[{"code":"forbidden","message":"no"}]}`}, Forbidden, "forbidden", "t-2", "no",
		},
		"of the registry": {
			reply{status: 403, body: `{"code":"CRG0020E","message":"You are not authorized\nto do it.","request-id":"r-3"}`},
			Forbidden, "CRG0020E", "r-3", "You are not authorized to do it.",
		},
		"of the token endpoint": {
			reply{status: 404, body: `{"context":{"requestId":"r-4"},"errorCode":"BXNIM0001E","errorMessage":"m"}`}, NotFound, "BXNIM0001E", "r-4", "m",
		},
		"with fields of other types": {
			reply{status: 404, body: `{"context":"x","trace":7,"errors":[{"code":"not_found","message":[1]}]}`}, NotFound, "not_found", "", "",
		},
		"with a header": {
			reply{status: 409, body: `{"code":"CRG1","message":"m"}`, header: []string{"Transaction-Id", "h-5"}}, Exists, "CRG1", "h-5", "m",
		},
		"of something else, not found":  {reply{status: 404, body: "<html>"}, Unexpected, "", "", ""},
		"of something else, a conflict": {reply{status: 409, body: "{}"}, Unexpected, "", "", ""},
		"of something else, forbidden":  {reply{status: 403, body: "no"}, Forbidden, "", "", ""},
		"a word that is no code":        {reply{status: 404, body: `{"code":"<b>","message":"m"}`}, Unexpected, "", "", ""},
		"a word that is no transaction": {reply{status: 404, body: `{"code":"C","request-id":"a b"}`}, NotFound, "C", "", ""},
		"a long message": {
			reply{status: 400, body: `{"code":"C","message":"` + strings.Repeat("x", 5000) + `"}`}, Unexpected, "C", "", strings.Repeat("x", 200) + "...",
		},
		"too early": {reply{status: 425}, Unavailable, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newCloud(t).on(quotaPath, tt.reply)
			_, err := w.client(nil).Quota(t.Context(), account)
			failure := failed(t, err)
			g.Expect(failure.Kind).To(Equal(tt.kind))
			g.Expect(failure.Status).To(Equal(tt.reply.status))
			g.Expect([]string{failure.Code, failure.Transaction, failure.Text}).To(Equal([]string{tt.code, tt.transaction, tt.text}))
			g.Expect(failure.Operation).To(Equal("read the quota"))
			if tt.transaction != "" {
				g.Expect(failure.Error()).NotTo(ContainSubstring(tt.transaction), "it would be another message each time")
			}
		})
	}
}

func TestAReachedLimitIsFoundByItsCodeOrItsWords(t *testing.T) {
	for name, tt := range map[string]struct {
		reply reply
		want  Kind
	}{
		"the code":               {errorOf(422, "BXNIM0151E", "x"), Limit},
		"the code, with another": {errorOf(400, "BXNIM0151E", "x"), Limit},
		"words, with 403":        {errorOf(403, "BXNIM0999E", "The maximum number of API keys was reached."), Limit},
		"words, with 409":        {errorOf(409, "BXNIM0999E", "You are at the limit."), Limit},
		"a name that is long":    {errorOf(400, "BXNIM0999E", "The name is longer than the maximum."), Unexpected},
		"a conflict":             {errorOf(409, "BXNIM0999E", "There is such a key."), Exists},
		"no right":               {errorOf(403, "BXNIM0999E", "You may not, in an unlimited way."), Forbidden},
	} {
		w := newCloud(t).on("POST /v1/apikeys", tt.reply)
		err := making["POST /v1/apikeys"](t.Context(), w.client(nil))
		NewWithT(t).Expect(KindOf(err)).To(Equal(tt.want), name)
	}
	g := NewWithT(t)
	limited := errorOf(403, "CRG0099E", "The quota of namespaces is used up.")
	w := newCloud(t).on("PUT /api/v1/namespaces/edge", limited).on(quotaPath, limited)
	_, err := w.client(nil).CreateNamespace(t.Context(), account, "edge", "")
	g.Expect(KindOf(err)).To(Equal(Limit))
	_, err = w.client(nil).Quota(t.Context(), account)
	g.Expect(KindOf(err)).To(Equal(Forbidden), "to read makes nothing")
}

// IBM's errors repeat the key that was sent. Here a server repeats everything that was sent, in each field and each form.
func TestNoErrorHoldsAKeyOrAToken(t *testing.T) {
	forms := map[string]func(string) string{
		"raw":    func(s string) string { return s },
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("iamapikey:" + s)) },
		"URL":    url.QueryEscape,
		"JSON":   strconv.Quote,
		"JSON in JSON": func(s string) string {
			inner, _ := json.Marshal(s)
			outer, _ := json.Marshal(string(inner))
			return string(outer)
		},
	}
	for form, encode := range forms {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
			t.Run(fmt.Sprintf("%s %d", form, status), func(t *testing.T) {
				g := NewWithT(t)
				failTokens := false
				w := newCloud(t)
				echo := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/identity/token" && !failTokens {
						_, _ = io.WriteString(rw, w.token())
						return
					}
					body, _ := io.ReadAll(r.Body)
					sent := secretsIn(r, body)
					said := encode(sent)
					rw.Header().Set("Location", "/"+url.PathEscape(sent))
					rw.Header().Set("Transaction-Id", strings.Map(printable, said))
					rw.Header().Set("Retry-After", "900")
					rw.WriteHeader(status)
					answer, _ := json.Marshal(map[string]any{
						"code": said, "message": said, "errorCode": "BXNIM0415E", "errorMessage": "Key " + said, "errorDetails": said,
						"context": map[string]string{"requestId": said}, "trace": said, "request-id": said,
						"errors":  []any{map[string]any{"code": said, "message_code": "BXNIM0415E", "message": "key: " + said, "details": said}},
						"apikeys": said, "id": 7,
					})
					_, _ = rw.Write(answer)
				}))
				defer echo.Close()
				c := New(Config{HTTP: echo.Client(), Endpoints: Endpoints{IAM: echo.URL, Registry: echo.URL}, Key: credential.NewToken(ownKey), Clock: w.clock})
				all := []error{}
				for _, send := range making {
					all = append(all, send(t.Context(), c))
				}
				_, details := c.DescribeKey(t.Context(), credential.NewToken(newValue))
				_, keys := c.Keys(t.Context(), account, reader)
				all = append(all, details, keys)
				failTokens = true
				c = New(Config{HTTP: echo.Client(), Endpoints: Endpoints{IAM: echo.URL}, Key: credential.NewToken(ownKey), Clock: w.clock})
				_, own := c.Account(t.Context())
				all = append(all, own, c.Works(t.Context(), credential.NewToken(newValue)))
				for _, err := range all {
					failure := failed(t, err)
					for _, shown := range []string{failure.Error(), failure.Code, failure.Transaction, failure.Text, fmt.Sprintf("%+v", *failure), errorsOf(err)} {
						g.Expect(holdsSecret(shown)).To(BeFalse(), "in the attempt to %s", failure.Operation)
					}
				}
			})
		}
	}
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '_'
	}
	return r
}

func errorsOf(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

// secretsIn is the secret that a request carries: of several the one that is sent for itself.
func secretsIn(r *http.Request, body []byte) string {
	if key := r.Header.Get("IAM-ApiKey"); key != "" {
		return key
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("apikey") != "" {
		return form.Get("apikey")
	}
	var sent struct{ APIKey string }
	if json.Unmarshal(body, &sent) == nil && sent.APIKey != "" {
		return sent.APIKey
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// holdsSecret looks for the secrets of the test in each form, and for a half of each.
func holdsSecret(text string) bool {
	for _, secret := range []string{ownKey, newValue, signatureOf(jwt(1, account)), signatureOf(jwt(2, account))} {
		for _, form := range []string{
			secret, secret[:len(secret)/2], secret[len(secret)/2:], url.QueryEscape(secret), strings.Trim(strconv.Quote(secret), `"`),
			hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte("iamapikey:" + secret))[16:], base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			if strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

func signatureOf(token string) string { return token[strings.LastIndex(token, ".")+1:] }

func TestTheTextOfAnError(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on("POST /identity/token", reply{status: 400, body: `{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}`})
	_, err := w.client(nil).Account(t.Context())
	g.Expect(err).To(MatchError("IBM Cloud at " + strings.TrimPrefix(w.URL, "https://") +
		", on the attempt to exchange the API key for a token: the API key is refused, with 400 Bad Request (BXNIM0415E: Provided API key could not be found.)"))
	g.Expect(KindOf(errors.New("x"))).To(BeEmpty())
	g.Expect(KindOf(nil)).To(BeEmpty())
	g.Expect(KindOf(fmt.Errorf("wrapped: %w", err))).To(Equal(KeyRefused))

	w.Close()
	_, err = w.client(nil).Account(t.Context())
	g.Expect(failed(t, err).Kind).To(Equal(Unavailable))
	g.Expect(err.Error()).To(And(ContainSubstring("connection refused"), Not(ContainSubstring("identity/token"))))
}
