// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

func (p *Plugin) rotate() *cobra.Command {
	var wanted bool
	var timeout time.Duration
	c := p.verb(&cobra.Command{
		Use:   "rotate NAME [--wait] [--timeout DURATION]",
		Short: "has new tokens issued",
		Long: `Asks the operator to issue new tokens, by the annotation ` + edgev1.RotateAnnotation + `. The tokens before them work
until they expire: a token that leaked has to be revoked besides. Logins that people supply are not issued by the operator.`,
		Example: `  kubectl edgereg rotate factory
  kubectl edgereg rotate factory --wait`,
	}, func(ctx context.Context, c *cluster.Cluster, name string) error {
		value, err := p.request(ctx, c, name, edgev1.RotateAnnotation, issued)
		if err != nil {
			return err
		}
		if !wanted {
			p.say("asked for new tokens: `kubectl edgereg status %s` shows when they are there", name)
			return nil
		}
		edge, err := p.await(ctx, c, name, timeout, func(edge *edgev1.EdgeRegistry) bool { return edge.Status.LastHandledRotation == value })
		if err != nil {
			return err
		}
		for _, credential := range edge.Status.Credentials {
			if credential.Current {
				p.say("%s has token %d%s", credential.Role, credential.Generation, worksFor(credential.ExpiresAt, p.Now()))
			}
		}
		return nil
	})
	c.Flags().BoolVar(&wanted, "wait", false, "wait until the new tokens are published")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	return c
}

// issued fails for an EdgeRegistry whose logins people supply. Robots of Harbor are the operator's, though the registry is another.
func issued(edge *edgev1.EdgeRegistry) error {
	if edge.Spec.External == nil || edge.Spec.External.Harbor != nil {
		return nil
	}
	return fmt.Errorf("the logins of %s are supplied by people: put others into the Secrets that `kubectl edgereg status %s` names", edge.Name, edge.Name)
}
