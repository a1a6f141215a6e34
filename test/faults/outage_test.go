// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"testing"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

var (
	apiServerKilled = &Outage{
		Name: "the API server is killed",
		Down: func(ctx context.Context, w *World) error { return w.Env.StopAPIServer(ctx) },
		Up:   func(ctx context.Context, w *World) error { return w.Env.StartAPIServer(ctx) },
	}
	etcdKilled = &Outage{
		Name: "etcd is killed",
		Down: func(ctx context.Context, w *World) error { return w.Env.StopEtcd(ctx) },
		Up:   func(ctx context.Context, w *World) error { return w.Env.StartEtcd(ctx) },
	}
)

// untilItIsBack is how many passes an operator may make while there is no API server.
const untilItIsBack = 1000

// F1: the API server, or etcd alone, gets SIGKILL at one of the operator's writes, and is started again. The same
// incarnation heals by itself.
func TestAnOutageAtAnyWriteIsSurvived(t *testing.T) {
	suite := NewSuite(t, "F1", 40)
	// A cache of the API server begins again with it, and the journal could not go on where it was.
	outages := NewOutages(t, env.Options{APIServerArgs: map[string][]string{"watch-cache": {"false"}}})
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		for _, call := range workload.Reference(t, world).Calls {
			if !call.Writes() {
				continue
			}
			for when, strikes := range map[string]Fault{
				"the API server is killed before": outages.Before(apiServerKilled),
				"the API server is killed after":  outages.After(apiServerKilled),
				"etcd is killed before":           outages.Before(etcdKilled),
			} {
				suite.Run(workload.Name+"/"+when+" "+call.Signature, func(t *testing.T) {
					outages.Join(t)
					c := NewCase(t, outages.world, workload)
					life := c.NewLife(At(call.Signature, strikes))
					life.Patience = untilItIsBack
					life.Run()
					if life.Fired() == 0 {
						t.Fatal("the operator never came to this call")
					}
					c.Judge(OneLost)
				})
			}
		}
	}
}
