// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tools that read the Secrets of consumers out of the cluster.

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"

	"go.uber.org/zap/zapcore"
	authenticationv1 "k8s.io/api/authentication/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
)

// vault collects every token that the API server issues to the operator, and all text that the
// operator writes where no token belongs: it is the writer of the suite's logs.
type vault struct {
	mu     sync.Mutex
	tokens []string
	// kept are tokens that no TokenRequest issued.
	kept []string
	text bytes.Buffer
}

func newVault() *vault { return &vault{} }

func zapLevel(level int8) zapcore.Level { return zapcore.Level(level) }

// Write implements io.Writer for logs and for errors that a test has seen.
func (v *vault) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.text.Write(p)
}

// issued notes the token in the answer to a TokenRequest.
func (v *vault) issued(response *http.Response) {
	if token := tokenIn(response); !token.IsZero() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.tokens = append(v.tokens, token.Reveal())
	}
}

// tokenIn is the token in the answer to a TokenRequest, or none. The answer can be read again.
func tokenIn(response *http.Response) credential.Token {
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	answer := &authenticationv1.TokenRequest{}
	decodeTokenRequest(body, answer)
	return credential.NewToken(answer.Status.Token)
}

// know notes a token that the operator has from elsewhere.
func (v *vault) know(token credential.Token) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept = append(v.kept, token.Reveal())
}

// decodeTokenRequest reads JSON or the protobuf that clients ask for by default.
func decodeTokenRequest(body []byte, into *authenticationv1.TokenRequest) bool {
	if json.Unmarshal(body, into) == nil && into.Status.Token != "" {
		return true
	}
	_, _, err := tokenDecoder.Decode(body, nil, into)
	return err == nil && into.Status.Token != ""
}

// count is how many tokens were issued to the operator.
func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.tokens)
}

// search returns the places that show a token, or a tell-tale part of one.
func (v *vault) search(ctx context.Context) []string {
	places := map[string]string{}
	for name, list := range map[string]client.ObjectList{
		"EdgeRegistries": &edgev1.EdgeRegistryList{},
		"events":         &eventsv1.EventList{},
	} {
		if err := admin.List(ctx, list); err != nil {
			return []string{"unknown: " + err.Error()}
		}
		content, err := json.Marshal(list)
		if err != nil {
			return []string{"unknown: " + err.Error()}
		}
		places[name] = string(content)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	places["logs, errors and metrics"] = v.text.String()
	var showing []string
	known := leaks.Of(slices.Concat(v.tokens, v.kept)...)
	for name, text := range places {
		if known.In(text) {
			showing = append(showing, name)
		}
	}
	return showing
}
