// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
)

func (p *Plugin) verify() *cobra.Command {
	var timeout time.Duration
	c := p.verb(&cobra.Command{
		Use:   "verify NAME [--timeout DURATION]",
		Short: "makes the operator verify the logins now, and prints the result",
		Long: `Asks the operator to look at the EdgeRegistry now and to try both logins against the registry, by the annotation
` + edgev1.VerifyAnnotation + `. Waits for the answer, and prints it as why does.`,
		Example: "  kubectl edgereg verify factory",
	}, func(ctx context.Context, c *cluster.Cluster, name string) error {
		value, err := p.request(ctx, c, name, edgev1.VerifyAnnotation, func(*edgev1.EdgeRegistry) error { return nil })
		if err != nil {
			return err
		}
		edge, err := p.await(ctx, c, name, timeout, func(edge *edgev1.EdgeRegistry) bool { return edge.Status.LastHandledVerification == value })
		if err != nil {
			return err
		}
		if verified := meta.FindStatusCondition(edge.Status.Conditions, edgev1.RegistryVerified); verified != nil && show.StateOf(edge) == show.Ready {
			_, err := fmt.Fprintf(p.Out, "%s\n", show.Safe(verified.Message))
			if err != nil {
				return err
			}
		}
		return p.explain(ctx, c, edge)
	})
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	return c
}
