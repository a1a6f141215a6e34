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

// SignedBy reports whether a token is signed by a key of a JSON Web Key Set, such as the one that an API server publishes. It does
// not check whether the token still works. The error is about the key set.
func SignedBy(token Token, keySet []byte) (bool, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(keySet, &keys); err != nil {
		return false, fmt.Errorf("read the keys of the API server: %w", err)
	}
	signed, err := jose.ParseSignedCompact(token.Reveal(), signatureAlgorithms)
	if err != nil {
		// The error could quote the token.
		return false, nil //nolint:nilerr // A text that is no JWT has no signature.
	}
	for _, key := range keys.Keys {
		if _, err := signed.Verify(key); err == nil {
			return true, nil
		}
	}
	return false, nil
}
