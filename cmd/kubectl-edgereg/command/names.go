// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"

	"github.com/spf13/cobra"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

// verb is a command about one EdgeRegistry.
func (p *Plugin) verb(c *cobra.Command, run func(ctx context.Context, c *cluster.Cluster, name string) error) *cobra.Command {
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return wrongUsage("give the name of one EdgeRegistry")
		}
		return nil
	}
	c.ValidArgsFunction = p.completeName
	c.DisableFlagsInUseLine = true
	c.RunE = func(c *cobra.Command, args []string) error {
		connected, err := p.connect()
		if err != nil {
			return err
		}
		return run(c.Context(), connected, args[0])
	}
	return c
}

// handoverFlags say which Secret is read.
type handoverFlags struct{ role, namespace string }

func (f *handoverFlags) add(c *cobra.Command, withRole bool) {
	if f.role = "pull"; withRole {
		c.Flags().StringVar(&f.role, "role", "pull", "the login to take: `pull|publish`")
		completeWith(c, "role", "pull", "publish")
	}
	c.Flags().StringVarP(&f.namespace, "namespace", "n", "", "take the copy of the Secret in this `namespace`")
}

// take reads the EdgeRegistry, and the Secret that the flags name.
func (p *Plugin) take(ctx context.Context, c *cluster.Cluster, name string, f handoverFlags) (*cluster.Handover, *edgev1.EdgeRegistry, error) {
	roles := map[string]edgev1.SecretRole{"pull": edgev1.SecretPull, "publish": edgev1.SecretPublish}
	role, known := roles[f.role]
	if !known {
		return nil, nil, wrongUsage("--role is pull or publish, not %q", f.role)
	}
	edge, err := c.Edge(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	handover, err := c.Handover(ctx, edge, role, f.namespace)
	if err != nil {
		return nil, nil, err
	}
	if !edge.DeletionTimestamp.IsZero() {
		p.say("EdgeRegistry %s is being deleted: the login ends with it", name)
	}
	if until := expiryOf(edge, role); until != nil && until.Time.Before(p.Now()) {
		p.say("the login expired at %s: `kubectl edgereg why %s` says why it was not renewed", until.UTC().Format("2006-01-02T15:04:05Z"), name)
	}
	return handover, edge, nil
}
