// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"slices"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// noQuota is one that limits nothing, or is not known.
var noQuota = ibmcloud.Quota{StorageLimit: -1, TrafficLimit: -1}

// nearly are the percentages of a quota at which its use is reported, the highest first. They are few, so that the status does not
// change with every image.
var nearly = []int{90, 80}

// limited is one thing that a quota limits.
type limited struct {
	name, remedy, lost string
	limit, used        int64
}

func limits(q ibmcloud.Quota) []limited {
	return []limited{
		{"storage", "delete images", "pushes", q.StorageLimit, q.StorageUsed},
		{"traffic", "wait for the next month", "pulls", q.TrafficLimit, q.TrafficUsed},
	}
}

// share is which part of the limit is used. The limit is not 0.
func (l limited) share() float64 { return float64(l.used) / float64(l.limit) }

// usedUp reports whether IBM Cloud refuses what the quota limits.
func (l limited) usedUp() bool { return l.limit >= 0 && l.used >= l.limit }

// percent is the highest percentage of nearly that the use has reached; 0 for none.
func (l limited) percent() int {
	for _, percent := range nearly {
		if l.limit > 0 && l.share() >= float64(percent)/100 {
			return percent
		}
	}
	return 0
}

// namespaceDone says where the registry namespace comes from, and how much of the account's quota is used.
func (s *session) namespaceDone(quota ibmcloud.Quota) pass.Done {
	const raise = "or run 'ibmcloud cr quota-set' or 'ibmcloud cr plan-upgrade'"
	reason, what := edgev1.ReasonAdopted, "was there"
	if s.Record.Remote != nil && s.Record.Remote.Place.Created {
		reason, what = edgev1.ReasonCreated, "was made for this EdgeRegistry"
	}
	all := limits(quota)
	for _, one := range all {
		if one.limit > 0 {
			s.Used = append(s.Used, pass.Usage{Of: one.name, Share: one.share()})
		}
	}
	var full, filling []string
	for _, one := range all {
		switch {
		case one.usedUp():
			full = append(full, fmt.Sprintf("has used up its %s there, %d of %d bytes, so that %s are refused: %s", one.name, one.used, one.limit, one.lost, one.remedy))
		case one.percent() > 0:
			filling = append(filling, fmt.Sprintf("has used %d%% or more of the %d bytes of %s that it may have there, and at 100%% %s are refused: %s",
				one.percent(), one.limit, one.name, one.lost, one.remedy))
		}
	}
	said := slices.Concat(full, filling)
	switch {
	case len(full) > 0:
		reason = edgev1.ReasonQuotaUsedUp
	case len(filling) > 0:
		reason = edgev1.ReasonQuotaNearlyUsed
	default:
		return pass.DoneBecause(reason, "%s %s", s.where(), what)
	}
	return pass.DoneBecause(reason, "%s %s, but the account %s, %s", s.where(), what, strings.Join(said, "; and it "), raise)
}
