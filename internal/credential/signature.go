// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// signatureAlgorithms are those that a Kubernetes API server signs service account tokens with, or lets others sign them with
// (kubernetes/pkg/serviceaccount/jwt.go, externaljwt/plugin).
var signatureAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512,
}

// SignedBy reports whether a token carries the signature of a key in a JSON Web Key Set, as an API server publishes its own.
// It does not check whether the token still works. The error is about the key set.
func SignedBy(token Token, keySet []byte) (bool, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(keySet, &keys); err != nil {
		return false, fmt.Errorf("read the keys of the API server: %w", err)
	}
	signed, err := jose.ParseSignedCompact(token.Reveal(), signatureAlgorithms)
	if err != nil {
		// What it says could quote the token.
		return false, nil //nolint:nilerr // What is no such token is not signed.
	}
	for _, key := range keys.Keys {
		if _, err := signed.Verify(key); err == nil {
			return true, nil
		}
	}
	return false, nil
}
