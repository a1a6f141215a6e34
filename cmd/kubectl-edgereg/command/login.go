// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

// engines can store a login, in the order in which they are looked for.
var engines = []string{"docker", "podman", "skopeo"}

func (p *Plugin) login() *cobra.Command {
	var flags handoverFlags
	var engine string
	var noCA bool
	c := p.verb(&cobra.Command{
		Use:   "login NAME [--role pull|publish] [--engine docker|podman|skopeo] [--no-ca] [-n NAMESPACE]",
		Short: "logs a container engine of this machine in",
		Long: `Installs the CA of the registry for the engine, and has the engine log in. The token goes to its standard input, and is in no
argument. The engine is the first of docker, podman and skopeo that is installed.

Podman and Skopeo read the CA in ~/.config/containers/certs.d, or in /etc if root runs this, Docker Desktop on macOS in
~/.docker/certs.d. Docker on Linux trusts only what root installs: kubectl edgereg bootstrap NAME | sudo sh.`,
		Example: `  kubectl edgereg login factory
  kubectl edgereg login factory --role publish --engine podman`,
	}, func(ctx context.Context, c *cluster.Cluster, name string) error {
		if engine != "" && !slices.Contains(engines, engine) {
			return wrongUsage("--engine is docker, podman or skopeo, not %q", engine)
		}
		h, edge, err := p.take(ctx, c, name, flags)
		if err != nil {
			return err
		}
		if engine, err = choose(engine); err != nil {
			return err
		}
		if !noCA {
			if err := p.trust(ctx, h, engine); err != nil {
				return err
			}
		}
		if err := p.logIn(ctx, h, engine, name); err != nil {
			return err
		}
		p.say("logged in to %s as %s by %s%s", h.Host, h.User, engine, worksFor(expiryOf(edge, roleOf(h)), p.Now()))
		return nil
	})
	flags.add(c, true)
	c.Flags().StringVar(&engine, "engine", "", "the `docker|podman|skopeo` to log in")
	completeWith(c, "engine", engines...)
	c.Flags().BoolVar(&noCA, "no-ca", false, "leave the CA alone: this machine trusts the registry already")
	return c
}

func choose(engine string) (string, error) {
	for _, name := range engines {
		if _, err := exec.LookPath(name); err == nil && (engine == "" || engine == name) {
			return name, nil
		}
	}
	if engine != "" {
		return "", fmt.Errorf("%s is not installed here", engine)
	}
	return "", fmt.Errorf("none of %s is installed here", strings.Join(engines, ", "))
}

// trust installs the CA for the engine by the script that nodes run, as far as this user can.
func (p *Plugin) trust(ctx context.Context, h *cluster.Handover, engine string) error {
	if len(h.CA) == 0 || p.System == "windows" || engine == "docker" && p.System == "linux" && !p.Root {
		return nil
	}
	script, err := bootstrapOptions{user: p.System == "linux" && !p.Root}.script(h)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "sh", "-s", "--", "--no-check")
	command.Stdin = strings.NewReader(script)
	if err := p.run(command); err != nil {
		return fmt.Errorf("install the CA: %w; with --no-ca the login goes on without it", err)
	}
	return nil
}

func (p *Plugin) logIn(ctx context.Context, h *cluster.Handover, engine, name string) error {
	command := exec.CommandContext(ctx, engine, "login", "--username="+h.User, "--password-stdin", h.Host) //nolint:gosec // one of three names, a user without control characters, and the host of the status
	command.Stdin = strings.NewReader(h.Token.Reveal())
	err := p.run(command)
	if err != nil && engine == "docker" && p.System == "linux" {
		return fmt.Errorf("log in by docker: %w; if it does not trust the certificate: kubectl edgereg bootstrap %s | sudo sh", err, name)
	}
	if err != nil {
		return fmt.Errorf("log in by %s: %w", engine, err)
	}
	return nil
}

// run runs a program and repeats what it says, line by line. What a program prints of a token is taken out.
func (p *Plugin) run(command *exec.Cmd) error {
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	command.WaitDelay = time.Second
	err := command.Run()
	for line := range strings.Lines(said.String()) {
		p.say("%s", strings.TrimRight(line, "\r\n"))
	}
	return err
}

func roleOf(h *cluster.Handover) edgev1.SecretRole {
	if h.CanPush {
		return edgev1.SecretPublish
	}
	return edgev1.SecretPull
}

// expiryOf is when the login in the Secret of a role ends; nil if that is not known.
func expiryOf(edge *edgev1.EdgeRegistry, role edgev1.SecretRole) *metav1.Time {
	of := map[edgev1.SecretRole]edgev1.TokenRole{edgev1.SecretPublish: edgev1.TokenPublisher, edgev1.SecretPull: edgev1.TokenPuller}
	for _, c := range edge.Status.Credentials {
		if c.Role == of[role] && c.Current {
			return c.ExpiresAt
		}
	}
	return nil
}

func worksFor(until *metav1.Time, now time.Time) string {
	if until == nil {
		return ""
	}
	return fmt.Sprintf(", for %s (until %s)", duration.HumanDuration(until.Sub(now)), until.UTC().Format(time.RFC3339))
}
