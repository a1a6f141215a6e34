// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// requests are counts by name, such as "create secrets".
type requests map[string]int

// writes are those that change something, but for the lease by which the replicas agree on who works.
func (r requests) writes() requests {
	return r.only(func(verb, what string) bool {
		return !slices.Contains([]string{"get", "list", "watch"}, verb) && what != "leases" && what != "selfsubjectreviews"
	})
}

// reads are those that are no watch.
func (r requests) reads() requests {
	return r.only(func(verb, what string) bool {
		return slices.Contains([]string{"get", "list"}, verb) && what != "leases"
	})
}

// mints are those that issue a token.
func (r requests) mints() requests {
	return r.only(func(verb, what string) bool { return verb == "create" && what == "serviceaccounts/token" })
}

func (r requests) only(keep func(verb, what string) bool) requests {
	kept := requests{}
	for name, count := range r {
		if verb, what, _ := strings.Cut(name, " "); keep(verb, what) {
			kept[name] = count
		}
	}
	return kept
}

// String lists the requests, most first.
func (r requests) String() string {
	names := slices.SortedFunc(maps.Keys(r), func(a, b string) int {
		if r[a] != r[b] {
			return r[b] - r[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%d %s", r[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// value adds up a counter or gauge over all of its labels.
func value(families map[string]*dto.MetricFamily, name string) (sum float64) {
	for _, metric := range families[name].GetMetric() {
		sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	return sum
}

// passTime is a quantile of the time that a pass took, as Prometheus estimates it from the histogram.
func passTime(families map[string]*dto.MetricFamily, quantile float64) time.Duration {
	for _, metric := range families["controller_runtime_reconcile_time_seconds"].GetMetric() {
		rank := quantile * float64(metric.GetHistogram().GetSampleCount())
		lower, below := 0.0, 0.0
		for _, bucket := range metric.GetHistogram().GetBucket() {
			upper, upTo := bucket.GetUpperBound(), float64(bucket.GetCumulativeCount())
			if upTo >= rank {
				return time.Duration((lower + (upper-lower)*(rank-below)/max(upTo-below, 1)) * float64(time.Second))
			}
			lower, below = upper, upTo
		}
	}
	return 0
}

func seconds(d time.Duration) string      { return fmt.Sprintf("%.2f s", d.Seconds()) }
func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
func megabytes(kilobytes int) string      { return fmt.Sprintf("%.1f MB", float64(kilobytes)/1024) }

// brief prints a time in the unit that suits it.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return milliseconds(d)
	}
	return seconds(d)
}
