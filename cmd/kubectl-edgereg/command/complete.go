// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completeName completes the name of an EdgeRegistry. A user who may not list them gets no
// completion, and no error in the middle of a line.
func (p *Plugin) completeName(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	p.reach.timeout = min(p.reach.timeout, 3*time.Second)
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	connected, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	edges, err := connected.Edges(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, edge := range edges {
		names = append(names, edge.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWith completes a flag by what it may be.
func completeWith(c *cobra.Command, flag string, values ...string) {
	// It fails for a flag that is not there, and the caller has just made it.
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
