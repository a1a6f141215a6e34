// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// An object is repaired ten times, then at most every five minutes: a policy engine or another controller reverts a repair at
// once, and without a limit the two would write, and mint, as fast as the API server allows.
const (
	// RepairsAtOnce is the number of repairs of an object without a pause.
	RepairsAtOnce = 10
	// RepairAgain is the pause between further repairs.
	RepairAgain = 5 * time.Minute
)

// repairs is what the process remembers of the objects of one EdgeRegistry, by their name in messages.
type repairs struct {
	mu sync.Mutex
	// limits count repairs.
	limits map[string]*rate.Limiter
	// made is the digest of what was last written to, or found in, each object. If an object differs from that while the same is
	// desired, somebody else altered it.
	made map[uint64]uint64
}

var seed = maphash.MakeSeed()

// digestOf is the digest of the desired content of an object.
func digestOf(desired client.Object) uint64 {
	content, err := json.Marshal(desired)
	if err != nil {
		return 0
	}
	return maphash.Bytes(seed, content)
}

// Settle notes that an object now is as desired.
func Settle(s *pass.Scope, object string, made uint64) {
	r := pass.Part[repairs](s.Memory)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[uint64]uint64{}
	}
	r.made[maphash.String(seed, object)] = made
}

// IsRepair reports whether an object that is not as desired was so before, so that somebody else altered it. For an object that
// this process has not seen yet, the record decides.
func IsRepair(s *pass.Scope, object string, wanted uint64) bool {
	r := pass.Part[repairs](s.Memory)
	r.mu.Lock()
	defer r.mu.Unlock()
	made, known := r.made[maphash.String(seed, object)]
	if !known {
		return s.Settled
	}
	return made == wanted
}

// Spent returns an error while an object has used up its repairs. how says what happened to it.
func Spent(s *pass.Scope, object, how string) error {
	r := pass.Part[repairs](s.Memory)
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.limits[object]
	if limit == nil {
		return nil
	}
	left := limit.TokensAt(s.Now)
	if left >= 1 {
		return nil
	}
	again := s.Now.Add(time.Duration((1 - left) * float64(RepairAgain)))
	contested := pass.Stalled(edgev1.ReasonContested,
		"%s %s, after the operator repaired it %d times: have whatever does that leave it alone; the operator repairs it again at %s",
		object, how, RepairsAtOnce, pass.Timestamp(again))
	contested.Retry = again.Sub(s.Now)
	return contested
}

// CountRepair counts a repair. One that was refused does not count: it is retried, and reported as a refusal.
func CountRepair(s *pass.Scope, object string) {
	r := pass.Part[repairs](s.Memory)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits == nil {
		r.limits = map[string]*rate.Limiter{}
	}
	if r.limits[object] == nil {
		r.limits[object] = rate.NewLimiter(rate.Every(RepairAgain), RepairsAtOnce)
	}
	r.limits[object].AllowN(s.Now, 1)
}

// describeDrift says what happened to an object, and who did it if the API server recorded that.
func describeDrift(live client.Object) string {
	if IsNil(live) {
		// An object that lost its label is not found by it, so the pass sees no difference.
		return "was deleted again, or lost its labels"
	}
	who := LastRival(live)
	if who == "" {
		return "was altered again"
	}
	return fmt.Sprintf("was altered again, by %q,", who)
}

// LastRival is the field manager that altered an object last, besides the operator; empty if the API server did not record one.
func LastRival(live metav1.Object) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != FieldManager && entry.Time != nil && !entry.Time.Before(last.Time) {
			last = entry
		}
	}
	return last.Manager
}
