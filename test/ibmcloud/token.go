// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	apikeyGrant = "urn:ibm:params:oauth:grant-type:apikey"
	iamIssuer   = "https://" + IAMHost + "/identity"
	// registryIssuer is that of the tokens of registries.
	registryIssuer = "registry"
)

// claims are those of an IAM token, and of a registry's, which has Access.
type claims struct {
	jwt.Claims
	IAMID      string         `json:"iam_id,omitempty"`
	RealmID    string         `json:"realmid,omitempty"`
	Identifier string         `json:"identifier,omitempty"`
	SubType    string         `json:"sub_type,omitempty"`
	UniqueID   string         `json:"id,omitempty"`
	Account    *claimsAccount `json:"account,omitempty"`
	GrantType  string         `json:"grant_type,omitempty"`
	Scope      string         `json:"scope,omitempty"`
	ClientID   string         `json:"client_id,omitempty"`
	ACR        int            `json:"acr,omitempty"`
	AMR        []string       `json:"amr,omitempty"`
	// Region and Access are what a registry's token is good for.
	Region string   `json:"region,omitempty"`
	Access []access `json:"access,omitempty"`
}

type claimsAccount struct {
	Valid  bool   `json:"valid"`
	BSS    string `json:"bss"`
	Frozen bool   `json:"frozen"`
}

// exchange makes a token for a key (POST /identity/token).
func (c *Cloud) exchange(r *http.Request) reply {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return c.refused("BXNIM0109E", "The content type is not supported.", "")
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != apikeyGrant {
		return c.refused("BXNIM0108E", "Property missing or empty: grant_type.", "")
	}
	key, why := c.authenticate(r.PostForm.Get("apikey"))
	if why != "" {
		code := "BXNIM0415E"
		if key != nil {
			// What IBM answers then was not seen.
			code = "BXNIM0420E"
		}
		// As a trace has it, the details name the key.
		return c.refused(code, why, "apikey: "+r.PostForm.Get("apikey"))
	}
	now := c.clock.Now()
	return reply{status: http.StatusOK, body: map[string]any{
		"access_token": c.iamToken(c.identities[key.IAMID]), "refresh_token": "not_supported", "token_type": "Bearer",
		"expires_in": int(c.options.TokenLife.Seconds()), "expiration": now.Add(c.options.TokenLife).Unix(), "scope": "ibm openid",
	}}
}

func (c *Cloud) refused(code, message, details string) reply {
	return reply{status: c.options.RefusedKey, body: map[string]any{
		"context":   map[string]string{"requestId": c.newHex(), "requestType": "incoming.Identity_Token"},
		"errorCode": code, "errorMessage": message, "errorDetails": details,
	}}
}

// authenticate returns the key that has a value, and why it is refused, if it is. It counts.
func (c *Cloud) authenticate(value string) (key *apiKey, why string) {
	now := c.clock.Now()
	for _, k := range c.keys {
		if k.value != value {
			continue
		}
		switch {
		case !c.passed(k.made, c.delays.Keys), !k.deleted.IsZero() && c.passed(k.deleted, c.delays.RetiredKeys):
			return nil, "Provided API key could not be found."
		case k.Disabled && c.passed(k.disabled, c.delays.RetiredKeys):
			return k, "Provided API key is disabled."
		case !k.expires.IsZero() && !now.Before(k.expires):
			return k, "Provided API key has expired."
		}
		k.used = append(k.used, now)
		return k, ""
	}
	return nil, "Provided API key could not be found."
}

func (c *Cloud) iamToken(who *identity) string {
	now := c.clock.Now()
	realm, rest, _ := strings.Cut(who.iamID, "-")
	said := claims{
		Claims: jwt.Claims{
			ID: c.newHex(), Issuer: iamIssuer, Subject: rest,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(c.options.TokenLife)),
		},
		IAMID: who.iamID, UniqueID: who.iamID, RealmID: realm, Identifier: rest,
		Account:   &claimsAccount{Valid: true, BSS: who.account},
		GrantType: apikeyGrant, Scope: "ibm openid", ClientID: "default", ACR: 1, AMR: []string{"pwd"},
	}
	if who.service != nil {
		said.SubType = "ServiceId"
	}
	return c.sign(said)
}

func (c *Cloud) sign(said claims) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: c.signer, KeyID: "20260301"}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(fmt.Errorf("make a signer: %w", err))
	}
	text, err := jwt.Signed(signer).Claims(said).Serialize()
	if err != nil {
		panic(fmt.Errorf("sign a token: %w", err))
	}
	return text
}

// verify reads a token of an issuer, if it is one of this cloud's that has not expired.
func (c *Cloud) verify(text, issuer string) (claims, bool) {
	var said claims
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || token.Claims(&c.signer.PublicKey, &said) != nil {
		return said, false
	}
	return said, said.Issuer == issuer && said.Expiry != nil && c.clock.Now().Before(said.Expiry.Time())
}

// bearer is who calls, by an IAM token.
func (c *Cloud) bearer(r *http.Request) (*identity, bool) {
	text, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return nil, false
	}
	return c.bearerOf(text)
}

func (c *Cloud) bearerOf(text string) (*identity, bool) {
	said, good := c.verify(text, iamIssuer)
	if !good {
		return nil, false
	}
	if who := c.identities[said.IAMID]; who != nil {
		return who, true
	}
	// Tokens outlive a service ID that is deleted.
	return &identity{iamID: said.IAMID, account: said.Account.BSS}, true
}

// registryToken is good for what was granted at a region's registry. Nobody may have one.
func (c *Cloud) registryToken(region string, who *identity, granted []access) (string, time.Time) {
	now := c.clock.Now()
	said := claims{
		Claims: jwt.Claims{
			ID: c.newHex(), Issuer: registryIssuer,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(c.options.RegistryTokenLife)),
		},
		Region: region, Access: granted,
	}
	if who != nil {
		said.Subject = who.iamID
	}
	return c.sign(said), now
}
