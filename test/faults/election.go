// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Election is how incarnations agree on a leader.
type Election struct {
	// Lease is how long another one waits for a leader that is not heard of.
	Lease time.Duration
}

func (e Election) renew() time.Duration { return e.Lease * 2 / 3 }
func (e Election) retry() time.Duration { return min(e.Lease/10, time.Second) }

// stand sets what the command sets. Managers have a lease for each case, so that cases can run beside each other.
func (e Election) stand(options *ctrl.Options, lease string) {
	options.LeaderElection, options.LeaderElectionReleaseOnCancel = true, true
	options.LeaderElectionID, options.LeaderElectionNamespace = lease, operatorNamespace
	options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = &e.Lease, ptr.To(e.renew()), ptr.To(e.retry())
}

// flags are those of the command, which knows one lease.
func (e Election) flags() []string {
	return []string{
		"--leader-elect", "--leader-elect-lease-duration=" + e.Lease.String(),
		"--leader-elect-renew-deadline=" + e.renew().String(), "--leader-elect-retry-period=" + e.retry().String(),
	}
}

// candidate is an incarnation that stands for election, by either driver.
type candidate interface {
	Work()
	// End has it end as SIGTERM does.
	End()
	// Ended is closed when it has ended, by itself or not.
	Ended() <-chan struct{}
	Dead() bool
}

// leader is who holds a lease; empty for nobody.
func (c *Case) leader(lease string) string {
	c.T.Helper()
	live := &coordinationv1.Lease{}
	err := c.World.Admin.Get(c.ctx, client.ObjectKey{Namespace: operatorNamespace, Name: lease}, live)
	c.must(client.IgnoreNotFound(err), "read the lease")
	return ptr.Deref(live.Spec.HolderIdentity, "")
}

// awaitLeader waits until a lease has a holder, other than one.
func (c *Case) awaitLeader(lease, but string) {
	c.T.Helper()
	c.await("leader", func() bool {
		holder := c.leader(lease)
		return holder != "" && holder != but
	})
}
