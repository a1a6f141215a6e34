// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package distribution runs the registry of that name as a process of its own, on the loopback interface and behind TLS of a
// private CA. The program is that of test/registries/registry, in a module of its own for what it requires.
package distribution

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// How a registry asks for a login.
const (
	Htpasswd = "htpasswd" // By user and password; whoever logs in may do everything.
	Tokens   = "tokens"   // By tokens of an endpoint of its own, each for what the user may do of what is asked.
	Nothing  = "none"     // Not at all.
)

// Registry is a running process.
type Registry struct {
	// Host is that of image names, with the port.
	Host string
	CA   *platform.CA
	// Images is the folder in which it stores them.
	Images string

	mu     sync.Mutex
	logins io.WriteCloser
	answer *bufio.Scanner
	cmd    *exec.Cmd
}

// Build compiles the program into a file.
func Build(ctx context.Context, binary string) error {
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "./registry")
	build.Dir = filepath.Join(env.RepoRoot(), "test/registries")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the registry: %w: %s", err, output)
	}
	return nil
}

// Start has the registry keep all that it has in a folder, which it makes. It ends with Stop, with ctx or with this process.
func Start(ctx context.Context, binary, folder, auth string) (*Registry, error) {
	r := &Registry{CA: platform.NewCA("the plant's CA"), Images: filepath.Join(folder, "images")}
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	if err := errors.Join(os.MkdirAll(r.Images, 0o700), WriteLeaf(r.CA.Leaf("localhost"), cert, key)); err != nil {
		return nil, fmt.Errorf("make the registry's files: %w", err)
	}
	r.cmd = exec.CommandContext(ctx, binary, "-cert", cert, "-key", key, "-folder", folder, "-auth", auth)
	r.cmd.Env = []string{"HOME=" + folder, "TMPDIR=" + folder}
	// A group of its own: Ctrl-C reaches who started it, which stops it in its turn.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &strings.Builder{}
	r.cmd.Stderr = said
	input, inErr := r.cmd.StdinPipe()
	output, outErr := r.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	r.logins, r.answer = input, bufio.NewScanner(output)
	if !r.answer.Scan() {
		r.Stop()
		return nil, fmt.Errorf("the registry ended: %s", said)
	}
	r.Host = "localhost:" + r.answer.Text()
	return r, nil
}

// WriteLeaf writes a certificate and its key.
func WriteLeaf(leaf tls.Certificate, cert, key string) error {
	return errors.Join(os.WriteFile(cert, platform.ChainPEM(leaf), 0o600), os.WriteFile(key, platform.KeyPEM(leaf), 0o600))
}

// Login makes a login, or gives it another password, which counts when it returns. Where the registry can tell users apart it
// has the rights that are named. The password goes by a pipe, for arguments are seen by others.
func (r *Registry) Login(user string, password credential.Token, rights ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := fmt.Fprintf(r.logins, "%s:%s %s\n", user, password.Reveal(), strings.Join(rights, ",")); err != nil {
		return fmt.Errorf("make the login of %s: %w", user, err)
	}
	if !r.answer.Scan() || r.answer.Text() != user {
		return fmt.Errorf("the registry made no login of %s", user)
	}
	return nil
}

// Stop ends the process and waits for it.
func (r *Registry) Stop() {
	_ = r.logins.Close()
	_ = r.cmd.Wait()
}
