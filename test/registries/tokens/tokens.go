// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tokens is the token endpoint of a registry. It signs with ES256.
package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const issuer, service, keyID = "plant-issuer", "plant", "k1"

// Server gives each user a token for the part of what it asks that it may have, and everybody one for nothing.
type Server struct {
	key  *ecdsa.PrivateKey
	keys string // path of the set of keys that the registry trusts

	mu    sync.Mutex
	users map[string]user
}

type user struct {
	password string
	rights   []string
}

// New is a server without users. Its public key goes into the folder.
func New(folder string) (*Server, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	s := &Server{key: key, keys: filepath.Join(folder, "jwks.json"), users: map[string]user{}}
	content, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}}})
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	return s, os.WriteFile(s.keys, content, 0o600)
}

// Auth has a registry send those who log in to the realm, the address at which this server answers.
func (s *Server) Auth(realm string) configuration.Auth {
	return configuration.Auth{"token": configuration.Parameters{
		"realm": realm, "issuer": issuer, "service": service, "jwks": s.keys, "signingalgorithms": []any{string(jose.ES256)},
	}}
}

// Set makes a user with rights such as pull, or gives it others.
func (s *Server) Set(name, password string, rights []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = user{password, rights}
	return nil
}

func (s *Server) user(name string) user {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[name]
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, secret, shown := r.BasicAuth()
	if known := s.user(name); shown && (known.password == "" || secret != known.password) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
		return
	}
	token, err := s.Token(name, r.URL.Query()["scope"])
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

// Token is one for a user, who may be nobody, with what the user may do of some scopes.
func (s *Server) Token(name string, scopes []string) (string, error) {
	type access struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	granted, may := []access{}, s.user(name).rights
	// Some clients ask for all that they want in one parameter.
	for scope := range strings.FieldsSeq(strings.Join(scopes, " ")) {
		if parts := strings.SplitN(scope, ":", 3); len(parts) == 3 {
			actions := slices.DeleteFunc(strings.Split(parts[2], ","), func(action string) bool { return !slices.Contains(may, action) })
			granted = append(granted, access{parts[0], parts[1], actions})
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: keyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("make a signer: %w", err)
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(map[string]any{
		"iss": issuer, "sub": name, "aud": service, "exp": now.Add(time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(),
		"jti": rand.Text(), "access": granted,
	}).Serialize()
}
