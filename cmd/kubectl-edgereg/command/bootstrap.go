// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	// lastLine of the script runs it. What a flag of bootstrap sets is put in there.
	lastLine = "{ main \"$@\"; }\n"
	noToken  = "It carries no token."
)

func (p *Plugin) bootstrap() *cobra.Command {
	var flags handoverFlags
	var o bootstrapOptions
	c := p.verb(&cobra.Command{
		Use:   "bootstrap NAME [--user | --root DIR] [--login] [-n NAMESPACE]",
		Short: "prints the script that makes a node trust the registry",
		Long: `Prints a shell script for a node, which writes the CA of the registry where Docker and Podman look for it, and asks the
registry. It takes the options of node-bootstrap.sh: run it with --help to see them, with --remove to undo it. The script is the
plugin's own, and not the one in the Secret, which whoever administers that namespace can write.

With --login it holds the login that pulls, and stores it on the node: it prints a token then.`,
		Example: `  kubectl edgereg bootstrap factory | ssh edge-node sudo sh
  kubectl edgereg bootstrap factory --user | sh
  kubectl edgereg bootstrap factory --login | ssh edge-node sudo sh`,
	}, func(ctx context.Context, c *cluster.Cluster, name string) error {
		if o.user && o.root != "" {
			return wrongUsage("--user and --root exclude each other")
		}
		h, _, err := p.take(ctx, c, name, flags)
		if err != nil {
			return err
		}
		script, err := o.script(h)
		if err != nil {
			return err
		}
		if o.login {
			p.noteToken(false, fmt.Sprintf("use it as: kubectl edgereg bootstrap %s --login | ssh NODE sudo sh", name))
		}
		_, err = io.WriteString(p.Out, script)
		return err
	})
	flags.add(c, false)
	c.Flags().BoolVar(&o.user, "user", false, "for the Podman of the user who runs it, without root")
	c.Flags().StringVar(&o.root, "root", "", "do it below this `directory`, the root of an image for nodes")
	c.Flags().BoolVar(&o.login, "login", false, "store the login that pulls, too")
	return c
}

// bootstrapOptions are options of the script that are set when it is printed.
type bootstrapOptions struct {
	user, login bool
	root        string
}

func (o bootstrapOptions) script(h *cluster.Handover) (string, error) {
	made, err := handoff.NodeBootstrap(h.Host, h.Project, h.CA)
	if err != nil {
		return "", fmt.Errorf("make the script: %w", err)
	}
	body, found := strings.CutSuffix(string(made), lastLine)
	if !found {
		return "", errors.New("make the script: it does not end as it should, which is a mistake of this plugin")
	}
	options := ""
	if o.user {
		options += " --user"
	}
	if o.root != "" {
		options += " --root " + show.Quote(o.root)
	}
	if !o.login {
		return body + "{ main" + options + " \"$@\"; }\n", nil
	}
	body = strings.Replace(body, noToken, "It carries the login that pulls: keep it as a password.", 1)
	// What the login consists of leaves ink, and so cannot end the here-document.
	return body + `own_login() {
	cat <<'END_OF_OWN_LOGIN'
` + h.Host + ":" + h.User + ":" + h.Token.Reveal() + `
END_OF_OWN_LOGIN
}
{ own_login | main` + options + ` --login /dev/stdin "$@"; }
`, nil
}
