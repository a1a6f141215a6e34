// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// tokenSized matches what is long enough to be a token, plain or in base64. No name in a cluster is. It is the second line of
// defence, for secrets that the operator does not know.
var tokenSized = regexp.MustCompile(`[\w+/=.-]{254,}`)

// redactTokens removes known secrets, and what could be a token, from errors and warnings. A webhook or a proxy may repeat a request
// in them, and the operator reports them in the status, in events and in its log. The operator's own token is one of the secrets.
func redactTokens(next http.RoundTripper) http.RoundTripper {
	return RoundTripper(func(r *http.Request) (*http.Response, error) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			credential.Know(token)
		}
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		warnings := response.Header["Warning"]
		for i, warning := range warnings {
			warnings[i] = string(redact([]byte(credential.Redact(warning))))
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

// redact keeps the length, which protobuf states beside the text, and the parts of an error that programs read: a short secret may
// be a word in those. It is removed later, from the log and from messages.
func redact(text []byte) []byte {
	credential.Star(text)
	return tokenSized.ReplaceAllFunc(text, func(found []byte) []byte { return bytes.Repeat([]byte("*"), len(found)) })
}

// RedactEvents returns a recorder that removes secrets from events. Passes use this one.
func RedactEvents(recorder events.EventRecorder) events.EventRecorder {
	return redactedEvents{recorder}
}

type redactedEvents struct{ next events.EventRecorder }

// Eventf implements events.EventRecorder.
func (r redactedEvents) Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any) {
	r.next.Eventf(regarding, related, eventtype, reason, action, "%s", credential.Redact(fmt.Sprintf(note, args...)))
}
