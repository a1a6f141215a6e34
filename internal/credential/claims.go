// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Claims are the claims of a service account token. They are read without
// checking the signature, so they describe a token and never authorise one.
type Claims struct {
	// ID is the credential id ("jti"), by which the audit log of the API server names
	// the token. A token that does not expire has none, nor has one of an API server
	// before Kubernetes 1.30: SecretUID and Expiry identify that one.
	ID string
	// Namespace and ServiceAccount name the account that the token speaks for.
	Namespace, ServiceAccount string
	// ServiceAccountUID is the UID of that account when the token was issued: the
	// API server refuses the token once the account is another one.
	ServiceAccountUID types.UID
	// SecretName and SecretUID are the Secret that the token is bound to: the API server
	// refuses the token once that Secret is gone. A token that does not expire names the
	// Secret that it is kept in, without its UID.
	SecretName string
	SecretUID  types.UID
	// IssuedAt and Expiry are to the second, in UTC. A token that does not expire has neither.
	IssuedAt, Expiry time.Time
}

// Expires reports whether the token has an expiry.
func (c Claims) Expires() bool { return !c.Expiry.IsZero() }

// wireClaims is the payload of a token, as kube-apiserver writes it for a
// TokenRequest (kubernetes/pkg/serviceaccount/claims.go), and as
// kube-controller-manager writes it into a Secret (legacy.go there).
type wireClaims struct {
	Issuer   string `json:"iss"`
	ID       string `json:"jti"`
	IssuedAt date   `json:"iat"`
	Expiry   date   `json:"exp"`

	Bound *struct {
		Namespace      string    `json:"namespace"`
		ServiceAccount reference `json:"serviceaccount"`
		Secret         reference `json:"secret"`
	} `json:"kubernetes.io"`

	Namespace         string    `json:"kubernetes.io/serviceaccount/namespace"`
	SecretName        string    `json:"kubernetes.io/serviceaccount/secret.name"`
	ServiceAccount    string    `json:"kubernetes.io/serviceaccount/service-account.name"`
	ServiceAccountUID types.UID `json:"kubernetes.io/serviceaccount/service-account.uid"`
}

// date is a NumericDate, in seconds: a number in any form that JSON has, with a fraction or without (RFC 7519, section 2).
type date float64

func (d date) time() time.Time { return time.Unix(int64(d), 0).UTC() }

type reference struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// keptIssuer is the issuer of the tokens that kube-controller-manager keeps in Secrets.
const keptIssuer = "kubernetes/serviceaccount"

// errNotAToken quotes nothing of the input: what is malformed may still be secret.
var errNotAToken = errors.New("not a service account token")

// ReadClaims returns the claims of a service account token, of one that a
// TokenRequest issued or of one that the cluster keeps in a Secret and that does
// not expire. Its error names no part of the token.
func ReadClaims(token Token) (Claims, error) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return Claims{}, errNotAToken
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, errNotAToken
	}
	var wire wireClaims
	if err := json.Unmarshal(payload, &wire); err != nil {
		return Claims{}, errNotAToken
	}
	if wire.Bound != nil {
		return wire.bound()
	}
	return wire.kept()
}

func (w wireClaims) bound() (Claims, error) {
	account, secret := w.Bound.ServiceAccount, w.Bound.Secret
	if w.Expiry == 0 || account.Name == "" || w.ServiceAccount != "" {
		return Claims{}, errNotAToken
	}
	// Each API server writes the UIDs, and refuses a token without them.
	if account.UID == "" || (secret.Name == "") != (secret.UID == "") {
		return Claims{}, errNotAToken
	}
	return Claims{
		ID:                w.ID,
		Namespace:         w.Bound.Namespace,
		ServiceAccount:    account.Name,
		ServiceAccountUID: account.UID,
		SecretName:        secret.Name,
		SecretUID:         secret.UID,
		IssuedAt:          w.IssuedAt.time(),
		Expiry:            w.Expiry.time(),
	}, nil
}

// kept reads a token that does not expire. One that says that it does is of no kind that is issued.
func (w wireClaims) kept() (Claims, error) {
	if w.Issuer != keptIssuer || w.Expiry != 0 || w.ServiceAccount == "" || w.ServiceAccountUID == "" || w.SecretName == "" {
		return Claims{}, errNotAToken
	}
	return Claims{
		Namespace:         w.Namespace,
		ServiceAccount:    w.ServiceAccount,
		ServiceAccountUID: w.ServiceAccountUID,
		SecretName:        w.SecretName,
	}, nil
}

// ExpiryOf returns the expiry that a token states, to the second, in UTC; the zero time if it states none, like a password.
func ExpiryOf(token Token) time.Time {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var says struct {
		Expiry date `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &says) != nil || says.Expiry <= 0 {
		return time.Time{}
	}
	return says.Expiry.time()
}
