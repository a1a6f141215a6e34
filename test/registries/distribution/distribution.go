// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package distribution is the registry of that name as a handler of HTTP, with logins by htpasswd.
package distribution

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // A way to log in.
	_ "github.com/distribution/distribution/v3/registry/auth/token"    // Another.
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // A place for images.
	"golang.org/x/crypto/bcrypt"
)

// Version is that of the registry, as go.mod pins it.
const Version = "3.1.2"

// Handler serves the images in a folder to those whom auth lets in. It panics where the registry does: if auth names what is
// not there.
func Handler(ctx context.Context, folder string, auth configuration.Auth) http.Handler {
	config := &configuration.Configuration{
		Version: configuration.MajorMinorVersion(0, 1),
		Storage: configuration.Storage{
			"filesystem":  configuration.Parameters{"rootdirectory": folder},
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
		},
		Auth: auth,
	}
	config.HTTP.Secret = "of one process"
	config.Log.Level = "panic"
	config.Log.AccessLog.Disabled = true
	return handlers.NewApp(ctx, config)
}

// Logins are users and passwords of which each may do everything. The registry reads them again when they change.
type Logins struct {
	file string

	mu     sync.Mutex
	hashes map[string]string
}

// NewLogins keeps logins in a file of the folder. There are none at first.
func NewLogins(folder string) (*Logins, error) {
	l := &Logins{file: filepath.Join(folder, "htpasswd"), hashes: map[string]string{}}
	return l, l.write()
}

// Set makes a login, or gives it another password.
func (l *Logins) Set(user, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hash the password of %s: %w", user, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hashes[user] = string(hash)
	return l.write()
}

// write replaces the file at once, since the registry may be reading it.
func (l *Logins) write() error {
	var lines strings.Builder
	for _, user := range slices.Sorted(maps.Keys(l.hashes)) {
		fmt.Fprintf(&lines, "%s:%s\n", user, l.hashes[user])
	}
	next := l.file + ".next"
	if err := os.WriteFile(next, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("write the logins: %w", err)
	}
	if err := os.Rename(next, l.file); err != nil {
		return fmt.Errorf("write the logins: %w", err)
	}
	return nil
}

// Auth has a registry go by the logins.
func (l *Logins) Auth() configuration.Auth {
	return configuration.Auth{"htpasswd": configuration.Parameters{"realm": "basic-realm", "path": l.file}}
}
