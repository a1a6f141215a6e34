// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
)

// objectName is that of the EdgeRegistry, and of the namespace with its Secrets.
const objectName = "factory"

// shownConditions are in the order of the operator's steps, of all providers.
var shownConditions = []string{
	edgev1.RegistryExposed, edgev1.ProjectReady, edgev1.NamespaceReady, edgev1.AccountReady, edgev1.RegistryNamespaceReady,
	edgev1.AccessGranted, edgev1.RegistryTrusted, edgev1.CredentialsIssued, edgev1.SecretsPublished, edgev1.RegistryVerified, edgev1.Ready,
}

// applySample applies the sample and follows it until it is ready.
func (d *demo) applySample(ctx context.Context) error {
	sample, err := os.ReadFile(d.sample)
	if err != nil {
		return fmt.Errorf("read the sample: %w", err)
	}
	d.term.block(d.sample, string(sample))
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("EdgeRegistry %q is not ready after %s", objectName, patience))
	defer cancel()
	events, err := d.watchObject(ctx)
	if err != nil {
		return err
	}
	defer events.Stop()
	if err := d.kubectl(ctx, "apply", "-f", d.sample); err != nil {
		return err
	}
	d.term.gap()
	if err := d.followConditions(ctx, events); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"get", "edgereg"}, {"get", "edgereg", "-o", "wide"}, {"describe", "edgereg", objectName},
	} {
		if err := d.kubectl(ctx, arguments...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) watchObject(ctx context.Context) (watch.Interface, error) {
	events, err := d.api.Watch(ctx, &edgev1.EdgeRegistryList{}, client.MatchingFields{"metadata.name": objectName})
	if err != nil {
		return nil, fmt.Errorf("watch the EdgeRegistry: %w", err)
	}
	return events, nil
}

// followConditions prints what changes, with the time since the object was made, until it is ready.
func (d *demo) followConditions(ctx context.Context, events watch.Interface) error {
	var created time.Time
	var waitsFor string
	shown := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), errors.New(waitsFor))
		case event, open := <-events.ResultChan():
			edge, ok := event.Object.(*edgev1.EdgeRegistry)
			if !open || !ok || event.Type == watch.Deleted {
				return fmt.Errorf("the watch of EdgeRegistry %q ended before it was ready", objectName)
			}
			if created.IsZero() {
				created = time.Now()
			}
			d.showConditions(edge, shown, time.Since(created))
			ready := meta.FindStatusCondition(edge.Status.Conditions, edgev1.Ready)
			if ready != nil && ready.ObservedGeneration == edge.Generation {
				if ready.Status == metav1.ConditionTrue {
					return nil
				}
				waitsFor = ready.Reason + ": " + ready.Message
			}
		}
	}
}

// showConditions prints the conditions that differ from those shown before.
func (d *demo) showConditions(edge *edgev1.EdgeRegistry, shown map[string]string, age time.Duration) {
	for _, name := range shownConditions {
		condition := meta.FindStatusCondition(edge.Status.Conditions, name)
		if condition == nil || shown[name] == condition.Reason+condition.Message {
			continue
		}
		done := condition.Status == metav1.ConditionTrue
		if !done && (name == edgev1.Ready || condition.Reason == edgev1.ReasonPending) {
			continue // It repeats another one, or says that nothing was done yet.
		}
		shown[name] = condition.Reason + condition.Message
		start := fmt.Sprintf("%-22s %6.2fs  ", name, age.Seconds())
		if done {
			// In full it is in the description that follows.
			message := d.term.fit(condition.Message, len(indent)+len("✓ ")+len(start))
			d.term.good(start + d.term.paint(dim, message))
		} else {
			d.term.pending(start + condition.Reason + ": " + condition.Message)
		}
	}
}

// kubectl runs the command as the admin and shows it with what it prints.
func (d *demo) kubectl(ctx context.Context, arguments ...string) error {
	output, err := d.control.Kubectl(ctx, arguments...)
	if err != nil {
		return err
	}
	d.term.command("kubectl "+pasted(arguments), output)
	return nil
}

// unquoted is an argument that means itself to a shell.
var unquoted = regexp.MustCompile(`^[\w./:=,@+-]+$`)

// pasted is what a shell takes for the arguments.
func pasted(arguments []string) string {
	words := slices.Clone(arguments)
	for i, word := range words {
		if !unquoted.MatchString(word) {
			words[i] = show.Quote(word)
		}
	}
	return strings.Join(words, " ")
}
