// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

const (
	// contestWindow: the default route counts as contested if somebody switches it off this soon after the operator switched it on.
	// A GitOps tool does so within minutes.
	contestWindow = 10 * time.Minute
	// contestPause is how long the operator leaves a contested default route alone.
	contestPause = time.Hour
)

// contest is what the operator remembers about the default route. There is one for the cluster, which all EdgeRegistries share.
// Times are by the operator's clock.
type contest struct {
	mu sync.Mutex
	// set is when the operator last switched the default route on, and of is the UID of that Config. One that was deleted and
	// recreated starts without the route, which is no contest.
	set time.Time
	of  types.UID
	// lost is when the operator found that somebody had switched it off again, and version the resourceVersion of the Config then.
	// rivals are the field managers that owned the field then.
	lost    time.Time
	version string
	rivals  []string
}

// switchOn sets spec.defaultRoute of the registry's Config, unless it is contested.
func (s *session) switchOn(ctx context.Context) error {
	s.contest.mu.Lock()
	defer s.contest.mu.Unlock()
	// The informer may be behind the operator's own write, or behind the end of a contest.
	live := &imageregistryv1.Config{}
	if err := s.Get(ctx, client.ObjectKeyFromObject(s.config), live); err != nil {
		return fmt.Errorf("read the image registry Config %q: %w", s.config.Name, err)
	}
	if live.Spec.DefaultRoute {
		// By the time the watch reports this, somebody may have switched it off once more.
		s.contest.end(live)
		return nil
	}
	if err := s.contest.check(live, s.Now); err != nil {
		return err
	}
	if err := s.writeDefaultRoute(ctx, live.Name, `{"spec":{"defaultRoute":true}}`); err != nil {
		return err
	}
	s.contest.set, s.contest.of, s.contest.lost = s.Now, live.UID, time.Time{}
	s.Wrote = true
	s.Note(edgev1.ReasonDefaultRouteSet, "set spec.defaultRoute of the image registry Config", nil)
	return nil
}

// check returns an error while the default route is contested.
func (c *contest) check(config *imageregistryv1.Config, now time.Time) error {
	if config.UID != c.of {
		c.set, c.lost = time.Time{}, time.Time{}
	}
	managers, at := defaultRouteOwners(config)
	managers = slices.DeleteFunc(managers, func(manager string) bool { return manager == objects.FieldManager })
	switch {
	case c.lost.IsZero() && !c.set.IsZero() && now.Sub(c.set) < contestWindow:
		c.lost, c.version, c.rivals = now, config.ResourceVersion, managers
	case !c.lost.IsZero() && len(c.rivals) > 0 && len(managers) == 0:
		// The other field manager has given up the field, as the message asks.
		c.lost = time.Time{}
	}
	again := c.lost.Add(contestPause)
	if c.lost.IsZero() || !now.Before(again) {
		return nil
	}
	contested := pass.Stalled(edgev1.ReasonExposureContested, "%s, or, if that was a change by hand, run '%s'; the operator tries again at %s",
		describeLoss(config, managers, at), switchOnCommand, pass.Timestamp(again))
	contested.Retry = again.Sub(now)
	return contested
}

// switchOnCommand is what a person runs if the route was switched off by hand.
const switchOnCommand = `oc patch configs.imageregistry.operator.openshift.io ` + imageRegistryConfig + ` --type=merge -p {"spec":{"defaultRoute":true}}`

// describeLoss says who switched the default route off again, when, and what to do. A writer that replaces the Config by one
// without the field owns nothing, so there may be no name.
func describeLoss(config *imageregistryv1.Config, managers []string, at time.Time) string {
	if len(managers) == 0 {
		return fmt.Sprintf("spec.defaultRoute of registry Config %q was taken out after the operator had set it: have whatever replaces that Config set it to true",
			config.Name)
	}
	when := ""
	if !at.IsZero() {
		when = " at " + pass.Timestamp(at)
	}
	return fmt.Sprintf(`"%s" set spec.defaultRoute of registry Config %q back to false%s: take the field out of what it applies, or set it to true there`,
		strings.Join(managers, `", "`), config.Name, when)
}

// settle ends the contest if others switched the default route on since it was lost.
func (c *contest) settle(config *imageregistryv1.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(config)
}

// end is settle for a caller that holds the lock.
func (c *contest) end(config *imageregistryv1.Config) {
	if c.lost.IsZero() {
		return
	}
	if order, err := resourceversion.CompareResourceVersion(config.ResourceVersion, c.version); err == nil && order > 0 {
		c.set, c.lost = time.Time{}, time.Time{}
	}
}

func (s *session) writeDefaultRoute(ctx context.Context, name, patch string) error {
	target := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.Patch(ctx, target, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(objects.FieldManager)); err != nil {
		return fmt.Errorf("set spec.defaultRoute of the image registry Config %q: %w", name, err)
	}
	return nil
}

// restoreDefaultRoute switches the default route off for the last EdgeRegistry that used it, if it
// asks for that, and if the operator alone claims to have switched it on.
func (s *session) restoreDefaultRoute(ctx context.Context) error {
	openshift := s.Edge.Spec.OpenShift
	if openshift.Exposure != edgev1.ExposureRestore || openshift.Route != defaultRoute {
		return nil
	}
	users, err := others(ctx, s.Edges, s.Edge, func(other *edgev1.EdgeRegistry) bool { return other.Spec.OpenShift.Route == defaultRoute })
	if err != nil || len(users) > 0 {
		return err
	}
	s.contest.mu.Lock()
	defer s.contest.mu.Unlock()
	config := &imageregistryv1.Config{}
	err = s.Get(ctx, client.ObjectKey{Name: imageRegistryConfig}, config)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the image registry Config %q: %w", imageRegistryConfig, err)
	}
	owners, _ := defaultRouteOwners(config)
	if !config.Spec.DefaultRoute || !slices.Equal(owners, []string{objects.FieldManager}) {
		return nil
	}
	// The resourceVersion makes the patch fail if somebody wrote in between.
	err = s.writeDefaultRoute(ctx, config.Name, fmt.Sprintf(`{"metadata":{"resourceVersion":%q},"spec":{"defaultRoute":false}}`, config.ResourceVersion))
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// If the next EdgeRegistry finds it off, that is no contest.
	s.contest.set, s.contest.lost = time.Time{}, time.Time{}
	s.Note(edgev1.ReasonDefaultRouteRestored, "switched the default route of the image registry off again, as spec.openshift.exposure asks", nil)
	return nil
}

// defaultRouteOwners returns the field managers that own spec.defaultRoute, sorted and each once, and when the last of them wrote.
func defaultRouteOwners(config *imageregistryv1.Config) (owners []string, last time.Time) {
	field := fieldpath.MakePathOrDie("spec", "defaultRoute")
	for _, entry := range config.ManagedFields {
		owned := &fieldpath.Set{}
		if entry.FieldsV1 == nil || owned.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())) != nil || !owned.Has(field) {
			continue
		}
		owners = append(owners, entry.Manager)
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners), last
}
