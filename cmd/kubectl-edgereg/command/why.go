// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
)

// mostEvents is how many events are shown; the conditions say more.
const mostEvents = 5

func (p *Plugin) why() *cobra.Command {
	return &cobra.Command{
		Use:   "why [NAME]",
		Short: "tells why an EdgeRegistry is not Ready, and what to do",
		Long: `Prints the reason and the message of Ready, who has to act, what to do about it, and the lines that matter: the conditions that
are not as they should be, copies and services that are behind, and the latest warnings among the events. Of one that is
Ready it prints what to look at anyway. Without a name it does so for each EdgeRegistry.`,
		Example: `  kubectl edgereg why
  kubectl edgereg why factory`,
		ValidArgsFunction:     p.completeName,
		DisableFlagsInUseLine: true,
		Args:                  oneOrAll,
		RunE: func(c *cobra.Command, args []string) error {
			connected, err := p.connect()
			if err != nil {
				return err
			}
			edges, err := read(c.Context(), connected, args)
			if err != nil {
				return err
			}
			return p.explainEach(c.Context(), connected, edges)
		},
	}
}

// explainEach fails if one of them is not Ready.
func (p *Plugin) explainEach(ctx context.Context, c *cluster.Cluster, edges []edgev1.EdgeRegistry) error {
	if len(edges) == 0 {
		p.say(noneThere)
	}
	var worst error
	for i := range edges {
		if i > 0 {
			fmt.Fprintln(p.Out)
		}
		switch err := p.explain(ctx, c, &edges[i]); {
		case errors.Is(err, errNotReady):
			worst = err
		case err != nil:
			return err
		}
	}
	return worst
}

// explain writes why an EdgeRegistry is not Ready. Without the right to list events it writes all the rest.
func (p *Plugin) explain(ctx context.Context, c *cluster.Cluster, edge *edgev1.EdgeRegistry) error {
	report := show.NewReport([]edgev1.EdgeRegistry{*edge}, p.Now())
	var events []show.Event
	if !report.AllReady() {
		found, err := c.Warnings(ctx, edge, mostEvents)
		switch {
		case errors.Is(err, cluster.ErrForbidden):
			p.say("events are left out: %v", err)
		case err != nil:
			return err
		}
		for i := range found {
			events = append(events, show.Event{When: cluster.WhenOf(&found[i]).Time, Reason: found[i].Reason, Message: found[i].Message})
		}
	}
	if err := report.EdgeRegistries[0].Why(p.Out, p.colours(), p.Now(), events); err != nil {
		return err
	}
	if !report.AllReady() {
		return errNotReady
	}
	return nil
}
