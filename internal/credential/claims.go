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

// Claims is what a service account token says of itself. It is read without
// checking the signature, so it describes a token and never authorises one.
type Claims struct {
	// ID is the credential id ("jti"), by which the audit log of the API server names the token.
	ID string
	// Namespace and ServiceAccount name the account that the token speaks for.
	Namespace, ServiceAccount string
	// ServiceAccountUID is the UID of that account when the token was issued: the
	// API server refuses the token once the account is another one.
	ServiceAccountUID types.UID
	// AnchorName and AnchorUID are the Secret that the token is bound to: the API
	// server refuses the token once that Secret is gone.
	AnchorName string
	AnchorUID  types.UID
	// IssuedAt and Expiry are to the second, in UTC.
	IssuedAt, Expiry time.Time
}

// wireClaims is the payload of a token, as kube-apiserver writes it
// (kubernetes/pkg/serviceaccount/claims.go).
type wireClaims struct {
	ID         string `json:"jti"`
	IssuedAt   int64  `json:"iat"`
	Expiry     int64  `json:"exp"`
	Kubernetes struct {
		Namespace      string    `json:"namespace"`
		ServiceAccount reference `json:"serviceaccount"`
		Secret         reference `json:"secret"`
	} `json:"kubernetes.io"`
}

type reference struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// errNotAToken carries nothing of the input: what is malformed may still be secret.
var errNotAToken = errors.New("not a bound service account token")

// ReadClaims returns the claims of a bound service account token, or an error
// that names no part of it.
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
	if wire.ID == "" || wire.Expiry == 0 || wire.Kubernetes.ServiceAccount.Name == "" {
		return Claims{}, errNotAToken
	}
	return Claims{
		ID:                wire.ID,
		Namespace:         wire.Kubernetes.Namespace,
		ServiceAccount:    wire.Kubernetes.ServiceAccount.Name,
		ServiceAccountUID: wire.Kubernetes.ServiceAccount.UID,
		AnchorName:        wire.Kubernetes.Secret.Name,
		AnchorUID:         wire.Kubernetes.Secret.UID,
		IssuedAt:          time.Unix(wire.IssuedAt, 0).UTC(),
		Expiry:            time.Unix(wire.Expiry, 0).UTC(),
	}, nil
}
