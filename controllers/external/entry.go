// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// entry is a login as a supplied Secret has it.
type entry struct {
	user  string
	token credential.Token
}

func (e entry) equal(other entry) bool { return e.user == other.user && e.token.Equal(other.token) }

// dockerConfig is the part of Docker's config.json that holds logins.
type dockerConfig struct {
	Auths map[string]json.RawMessage `json:"auths"`
}

type dockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// errNoEntry and the errors below end a sentence about a Secret. None quotes anything from the Secret.
var errNoEntry = errors.New("has no entry for the registry and its prefix: add one under the key HOST in auths")

// errNoForm drops the cause, which could quote a password.
var errNoForm = errors.New(`has no JSON of the form {"auths":{...}} under the key .dockerconfigjson: write it again`)

// errNoEntryForm is also the error for a password of digits alone that was written without quotes.
var errNoEntryForm = errors.New(`has an entry for the registry that is no {"auth":"..."}, or in which something is no text in quotes: write it again`)

func missing(err error) bool { return errors.Is(err, errNoEntry) }

// pick returns the login for the images below a prefix: the entry for that host with the longest path that covers the prefix.
// Several spellings of a key mean the same.
func pick(config []byte, host, prefix string) (entry, error) {
	var parsed dockerConfig
	// The cause is dropped: it could quote a password.
	// Editors of Windows begin a file with a byte order mark.
	if json.Unmarshal(bytes.TrimPrefix(config, []byte("\xef\xbb\xbf")), &parsed) != nil {
		return entry{}, errNoForm
	}
	longest := -1
	var keys []string
	// Sorted, so that the same Secret always gets the same error.
	for _, key := range slices.Sorted(maps.Keys(parsed.Auths)) {
		path, covers, err := covering(key, host, prefix)
		switch {
		case err != nil:
			return entry{}, err
		case !covers || len(path) < longest:
		case len(path) > longest:
			longest, keys = len(path), []string{key}
		default:
			keys = append(keys, key)
		}
	}
	return agreed(parsed, keys)
}

// agreed returns the login that the entries under all these keys hold. The form of other entries does not matter.
func agreed(parsed dockerConfig, keys []string) (found entry, err error) {
	for i, key := range keys {
		var auth dockerAuth
		if json.Unmarshal(parsed.Auths[key], &auth) != nil {
			return entry{}, errNoEntryForm
		}
		one, err := auth.login()
		switch {
		case err != nil:
			return entry{}, err
		case i > 0 && !one.equal(found):
			return entry{}, errors.New("has several entries that mean the registry, and they differ: leave one")
		}
		found = one
	}
	if len(keys) == 0 {
		return entry{}, errNoEntry
	}
	return found, nil
}

// covering returns the path in a key if it is for the host and covers the prefix by whole segments.
func covering(key, host, prefix string) (path string, covers bool, err error) {
	name, isPlain := strings.CutPrefix(key, "http://")
	name = strings.TrimPrefix(name, "https://")
	name, path, _ = strings.Cut(name, "/")
	if registry.WithPort(name) != registry.WithPort(host) {
		return "", false, nil
	}
	if isPlain {
		return "", false, errors.New("has an entry for http://: logins go over TLS alone, so write the host without it")
	}
	path = strings.Trim(path, "/")
	if path == "v1" || path == "v2" {
		// Old versions of docker wrote this behind every host.
		path = ""
	}
	return path, path == "" || path == prefix || strings.HasPrefix(prefix, path+"/"), nil
}

// login returns the login of an entry, which is in auth, in username and password, or the same in both.
func (a dockerAuth) login() (entry, error) {
	switch {
	case a.IdentityToken != "":
		return entry{}, errors.New("has an identity token in the entry for the registry, which edge nodes cannot use: supply a user and a password")
	case a.RegistryToken != "":
		return entry{}, errors.New("has a registry token in the entry for the registry, which edge nodes cannot use: supply a user and a password")
	}
	user, password := a.Username, a.Password
	if a.Auth != "" {
		// The kubelet accepts base64 without padding. No client accepts the URL alphabet (test/readers).
		pair, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(a.Auth), "="))
		authUser, authPassword, split := strings.Cut(strings.TrimRight(string(pair), "\x00"), ":")
		switch {
		case err != nil || !split:
			return entry{}, errors.New("has an entry for the registry whose auth is not the base64 of USER:PASSWORD: write it again")
		case (user != "" && user != authUser) || (password != "" && password != authPassword):
			return entry{}, errors.New("has an entry for the registry whose auth says another login than its username and password: write it again")
		}
		user, password = authUser, authPassword
	}
	switch {
	case user == "" || password == "":
		return entry{}, errors.New("has an entry for the registry without a user or without a password: supply both")
	case strings.Contains(user, ":"):
		return entry{}, errors.New("has a user with a ':' in the entry for the registry, where a login is split: supply another user")
	case !text.Visible(user) || !text.Visible(password):
		return entry{}, errors.New("has a login with a space, a line break or a character beyond ASCII in the entry for the registry, which not all that read it take: supply another")
	}
	return entry{user, credential.NewToken(password)}, nil
}
