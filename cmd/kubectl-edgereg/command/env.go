// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const envVerb = "env"

func (p *Plugin) env() *cobra.Command {
	var flags handoverFlags
	var caFile string
	c := p.verb(&cobra.Command{
		Use:   envVerb + " NAME [--role pull|publish] [--ca-file FILE] [-n NAMESPACE]",
		Short: "prints a login as exports of a shell",
		Long: `Prints the login, the host and the prefix of every image as exports for the eval of a POSIX shell, each value quoted. The names
are those of the keys of the Secret: OCP_DOCKER_HOST, OCP_PROJECT, OCP_USER, OCP_TOKEN, IMAGE_PREFIX, HZN_REGISTRY_AUTH, and
with the role pull EDGE_CLUSTER_REGISTRY_USERNAME and EDGE_CLUSTER_REGISTRY_TOKEN. A variable that the Secret does not have is
unset. Other keys of the Secret are left out.

It prints a token. When it fails it prints "false", so that a shell with set -e stops at the eval.`,
		Example: `  eval "$(kubectl edgereg env factory --role publish --ca-file ca.crt)"
  docker push "$IMAGE_PREFIX/sensor_amd64:1.0.0"`,
	}, func(ctx context.Context, c *cluster.Cluster, name string) error {
		h, _, err := p.take(ctx, c, name, flags)
		if err != nil {
			return err
		}
		lines := exports(h)
		if caFile != "" {
			line, err := exportCA(h, caFile)
			if err != nil {
				return err
			}
			lines = append(lines, line...)
		}
		p.noteToken(h.CanPush, fmt.Sprintf(`use it as: eval "$(kubectl edgereg env %s)"`, name))
		_, err = p.Out.Write(bytes.Join(lines, nil))
		return err
	})
	flags.add(c, true)
	c.Flags().StringVar(&caFile, "ca-file", "", "write ca.crt into this `file`, and export its name as CA_FILE")
	return c
}

// noteToken warns who sees a token appear on the screen.
func (p *Plugin) noteToken(canPush bool, instead string) {
	if !p.Terminal {
		return
	}
	kind := "pull"
	if canPush {
		kind = "push"
	}
	p.say("what follows holds a token that can %s, and is on your screen now; %s", kind, instead)
}

// exports are the lines that set what a shell needs.
func exports(h *cluster.Handover) [][]byte {
	values := [][2]string{
		{handoff.KeyHost, h.Host},
		{handoff.KeyProject, h.Project},
		{handoff.KeyImagePrefix, h.Prefix},
		{handoff.KeyUser, h.User},
		{handoff.KeyToken, h.Token.Reveal()},
	}
	if !h.CanPush {
		values = append(values, [2]string{handoff.KeyEdgeClusterUsername, h.User}, [2]string{handoff.KeyEdgeClusterToken, h.Token.Reveal()})
	}
	var lines [][]byte
	for _, value := range values {
		lines = append(lines, export(value[0], value[1]))
	}
	if h.RegistryAuth.IsZero() {
		return append(lines, []byte("unset "+handoff.KeyRegistryAuth+"\n"))
	}
	return append(lines, export(handoff.KeyRegistryAuth, h.RegistryAuth.Reveal()))
}

func export(name, value string) []byte {
	return []byte("export " + name + "=" + show.Quote(value) + "\n")
}

// exportCA writes the CA, which publish.sh finds by CA_FILE.
func exportCA(h *cluster.Handover, file string) ([][]byte, error) {
	if len(h.CA) == 0 {
		return [][]byte{[]byte("unset CA_FILE\n")}, nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", file, err)
	}
	if err := os.WriteFile(path, h.CA, 0o644); err != nil { //nolint:gosec // a CA is for everybody to read
		return nil, fmt.Errorf("write the CA: %w", err)
	}
	return [][]byte{export("CA_FILE", path)}, nil
}
