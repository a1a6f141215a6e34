// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
)

func (p *Plugin) status() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "status [NAME] [-o json]",
		Short: "tells how EdgeRegistries are",
		Long: `Prints a tree for the EdgeRegistry NAME, or for each that there is: its state, its conditions, how long its logins and its CA
work, its copies, and what the Exchange holds. A state is Ready, Waiting (the operator works on by itself), Stalled (a
person has to act), Suspended or Deleting.

With -o json it is an object with the list edgeRegistries, one entry for each tree: name, state, reason, message, provider,
host, imagePrefix, verifiedAt, conditions, credentials, ca, secrets and exchange. Times are RFC 3339, secondsLeft counts
from now, and what is not there is left out. Neither form ever holds a token.`,
		Example: `  kubectl edgereg status
  kubectl edgereg status factory
  kubectl edgereg status factory -o json | jq -r '.edgeRegistries[0].credentials[] | [.role, .secondsLeft] | @tsv'`,
		ValidArgsFunction:     p.completeName,
		DisableFlagsInUseLine: true,
		Args:                  oneOrAll,
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`json` instead of a tree")
	completeWith(c, "output", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if output != "" && output != "json" {
			return wrongUsage("-o is json, not %q", output)
		}
		connected, err := p.connect()
		if err != nil {
			return err
		}
		edges, err := read(c.Context(), connected, args)
		if err != nil {
			return err
		}
		report := show.NewReport(edges, p.Now())
		if output == "json" {
			err = report.JSON(p.Out)
		} else {
			err = report.Tree(p.Out, p.colours(), p.Now())
		}
		switch {
		case err != nil:
			return fmt.Errorf("write the status: %w", err)
		case len(edges) == 0 && output == "":
			p.say(noneThere)
		case !report.AllReady():
			return errNotReady
		}
		return nil
	}
	return c
}

// noneThere is no failure.
const noneThere = "there is no EdgeRegistry in this cluster"

func oneOrAll(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return wrongUsage("give one name, or none for all EdgeRegistries")
	}
	return nil
}

// read returns the EdgeRegistry that is named, or all.
func read(ctx context.Context, c *cluster.Cluster, args []string) ([]edgev1.EdgeRegistry, error) {
	if len(args) == 0 {
		return c.Edges(ctx)
	}
	edge, err := c.Edge(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return []edgev1.EdgeRegistry{*edge}, nil
}
