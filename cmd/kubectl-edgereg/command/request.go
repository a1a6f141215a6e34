// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

// request reads an EdgeRegistry and asks the operator for something by a new value of an annotation, which it returns.
func (p *Plugin) request(ctx context.Context, c *cluster.Cluster, name, annotation string, refuse func(*edgev1.EdgeRegistry) error) (string, error) {
	edge, err := c.Edge(ctx, name)
	if err != nil {
		return "", err
	}
	switch {
	case !edge.DeletionTimestamp.IsZero():
		return "", fmt.Errorf("EdgeRegistry %s is being deleted", name)
	case edge.Spec.Suspend:
		return "", fmt.Errorf("EdgeRegistry %s is suspended, so the operator does nothing: set spec.suspend to false", name)
	}
	if err := refuse(edge); err != nil {
		return "", err
	}
	value := p.Now().UTC().Format(time.RFC3339Nano)
	return value, c.Request(ctx, edge, annotation, value)
}

// await returns the EdgeRegistry as soon as the operator has answered. Meanwhile the API server may be away: OpenShift restarts it, for
// instance when its registry gets a route.
func (p *Plugin) await(ctx context.Context, c *cluster.Cluster, name string, timeout time.Duration, answered func(*edgev1.EdgeRegistry) bool) (*edgev1.EdgeRegistry, error) {
	var edge *edgev1.EdgeRegistry
	var away error
	err := wait.PollUntilContextTimeout(ctx, p.Poll, timeout, true, func(ctx context.Context) (bool, error) {
		read, err := c.Edge(ctx, name)
		switch {
		case errors.Is(err, cluster.ErrForbidden), errors.Is(err, cluster.ErrNotFound):
			return false, err
		case err == nil:
			edge, away = read, nil
		case ctx.Err() == nil:
			away = err
		}
		return err == nil && answered(read), nil
	})
	switch {
	case err == nil:
		return edge, nil
	case !wait.Interrupted(err) || errors.Is(ctx.Err(), context.Canceled):
		return nil, err
	case away != nil:
		return nil, fmt.Errorf("the operator was asked, and within %s its answer could not be read: %w", timeout, away)
	default:
		return nil, fmt.Errorf("the operator has not answered within %s: `kubectl edgereg why %s` says what it is at; if that is nothing, see whether it runs", timeout, name)
	}
}
