// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// NewCheck returns a salted checksum by which the record recognises a token that does not say itself whose it is: a salt, and a
// SHA-256 over the salt and the token. It is for random tokens, which nobody can guess from it, and is kept in the record only.
func NewCheck(token credential.Token) string {
	salt := rand.Text()
	return salt + ":" + checksum(salt, token)
}

// Matches reports whether a token has the checksum on record.
func (i *Issued) Matches(token credential.Token) bool {
	salt, sum, found := strings.Cut(i.Check, ":")
	return found && !token.IsZero() && subtle.ConstantTimeCompare([]byte(sum), []byte(checksum(salt, token))) == 1
}

func checksum(salt string, token credential.Token) string {
	sum := sha256.Sum256([]byte(salt + token.Reveal()))
	return hex.EncodeToString(sum[:])
}
