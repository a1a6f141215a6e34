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

// An object is repaired ten times without a pause, then at most every five minutes: a policy engine or another controller
// answers a repair at once, and would be answered at once, so that the two would write, and mint, as fast as the API server
// lets them.
const (
	// RepairsAtOnce is how often the operator repairs an object without a pause.
	RepairsAtOnce = 10
	// RepairAgain is how long after that it repairs it once more, and so on.
	RepairAgain = 5 * time.Minute
)

// repairs is what the process remembers of the objects of one EdgeRegistry, by how messages call them.
type repairs struct {
	mu sync.Mutex
	// limits count repairs.
	limits map[string]*rate.Limiter
	// made is what each object was last made or found to be. An object that is otherwise than it was made, while the same
	// is wanted of it, was altered by somebody else.
	made map[uint64]uint64
}

var seed = maphash.MakeSeed()

// digestOf is of what is wanted of an object.
func digestOf(desired client.Object) uint64 {
	content, err := json.Marshal(desired)
	if err != nil {
		return 0
	}
	return maphash.Bytes(seed, content)
}

// Settle notes what an object was made or found to be.
func Settle(s *pass.Scope, object string, made uint64) {
	r := pass.Part[repairs](s.Memory)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[uint64]uint64{}
	}
	r.made[maphash.String(seed, object)] = made
}

// IsRepair reports that an object which is otherwise than it should be was as it should be before: somebody else altered it
// since. What this process has not seen before was so if the record says so of all.
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

// Spent refuses a repair while there were too many of an object. how says what happened to it.
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

// CountRepair counts that the operator undid what somebody did to an object. A repair that was refused does not count: it
// is tried again, and reported as what it is.
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

// describeDrift says what happened to an object, and by whom if the API server noted that.
func describeDrift(live client.Object) string {
	if IsNil(live) {
		// A pass that does not find an object by its label sees no difference.
		return "was deleted again, or lost its labels"
	}
	who := LastRival(live)
	if who == "" {
		return "was altered again"
	}
	return fmt.Sprintf("was altered again, by %q,", who)
}

// LastRival is who else altered an object last, if the API server noted that.
func LastRival(live metav1.Object) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != FieldManager && entry.Time != nil && !entry.Time.Before(last.Time) {
			last = entry
		}
	}
	return last.Manager
}
