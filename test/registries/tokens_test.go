// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const issuer, service, keyID = "plant-issuer", "plant", "k1"

// tokenServer gives each user a token for the part of what it asks that it may have, and everybody one for nothing.
type tokenServer struct {
	key *ecdsa.PrivateKey

	mu    sync.Mutex
	users map[string]tokenUser
}

type tokenUser struct {
	password string
	rights   []string
}

func (s *tokenServer) set(user, password string, rights []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user] = tokenUser{password, rights}
	return nil
}

func (s *tokenServer) user(name string) tokenUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[name]
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, secret, shown := r.BasicAuth()
	if known := s.user(name); shown && (known.password == "" || secret != known.password) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
		return
	}
	token, err := s.token(name, r.URL.Query()["scope"])
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

func (s *tokenServer) token(user string, scopes []string) (string, error) {
	type access struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	granted, may := []access{}, s.user(user).rights
	// Some clients ask for all that they want in one parameter.
	for scope := range strings.FieldsSeq(strings.Join(scopes, " ")) {
		if parts := strings.SplitN(scope, ":", 3); len(parts) == 3 {
			actions := slices.DeleteFunc(strings.Split(parts[2], ","), func(action string) bool { return !slices.Contains(may, action) })
			granted = append(granted, access{parts[0], parts[1], actions})
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: keyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(map[string]any{
		"iss": issuer, "sub": user, "aud": service, "exp": now.Add(time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(),
		"jti": fmt.Sprint(now.UnixNano()), "access": granted,
	}).Serialize()
}
