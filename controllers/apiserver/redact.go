// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// tokenSized is what is long enough to be a token, as it is or in base64. No name in a cluster is.
var tokenSized = regexp.MustCompile(`[\w+/=.-]{254,}`)

// redactTokens stars out what could be a token in errors and warnings. A webhook or a proxy may repeat in them what a
// request carried, and the operator reports them: in the status, in events and in its log.
func redactTokens(next http.RoundTripper) http.RoundTripper {
	return RoundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		warnings := response.Header["Warning"]
		for i, warning := range warnings {
			warnings[i] = string(redact([]byte(warning)))
		}
		if response.StatusCode < http.StatusBadRequest {
			return response, nil
		}
		content, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("read an answer with status %d: %w", response.StatusCode, err)
		}
		response.Body = io.NopCloser(bytes.NewReader(redact(content)))
		return response, nil
	})
}

// redact keeps the length, which protobuf states beside the text.
func redact(text []byte) []byte {
	return tokenSized.ReplaceAllFunc(text, func(found []byte) []byte { return bytes.Repeat([]byte("*"), len(found)) })
}
