// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// registry is a process of test/registries/registry, which serves images until its standard input ends.
type registry struct {
	host   string
	ca     *platform.CA
	logins io.WriteCloser
	answer *bufio.Scanner
	cmd    *exec.Cmd
}

// startRegistry keeps all that the registry has in a folder.
func startRegistry(ctx context.Context, binary, folder string) (*registry, error) {
	r := &registry{ca: platform.NewCA("the plant's CA")}
	cert, key := folder+"/tls.crt", folder+"/tls.key"
	if err := errors.Join(os.Mkdir(folder, 0o700), writeLeaf(r.ca.Leaf("localhost"), cert, key)); err != nil {
		return nil, fmt.Errorf("make the registry's files: %w", err)
	}
	r.cmd = exec.CommandContext(ctx, binary, "-cert", cert, "-key", key, "-folder", folder)
	r.cmd.Env = []string{"HOME=" + folder, "TMPDIR=" + folder}
	// A group of its own: Ctrl-C reaches the demo, which stops the registry in its turn.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &tail{}
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
		r.stop()
		return nil, fmt.Errorf("the registry ended: %s", r.cmd.Stderr)
	}
	r.host = "localhost:" + r.answer.Text()
	return r, nil
}

func writeLeaf(leaf tls.Certificate, cert, key string) error {
	return errors.Join(os.WriteFile(cert, platform.ChainPEM(leaf), 0o600), os.WriteFile(key, platform.KeyPEM(leaf), 0o600))
}

// login makes a login that works when it returns. The password goes by a pipe, for arguments and files are seen by others.
func (r *registry) login(user string, password credential.Token) error {
	if _, err := fmt.Fprintf(r.logins, "%s:%s\n", user, password.Reveal()); err != nil {
		return fmt.Errorf("make the login of %s: %w", user, err)
	}
	if !r.answer.Scan() || strings.TrimSpace(r.answer.Text()) != user {
		return fmt.Errorf("the registry made no login of %s: %s", user, r.cmd.Stderr)
	}
	return nil
}

// stop ends the process and waits for it.
func (r *registry) stop() {
	_ = r.logins.Close()
	_ = r.cmd.Wait()
}
