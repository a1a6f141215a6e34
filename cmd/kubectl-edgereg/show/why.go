// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Event is one that the operator reported.
type Event struct {
	When            time.Time
	Reason, Message string
}

// warnings are the reasons of a True condition that ask a person to look.
var warnings = []string{
	edgev1.ReasonTrustedOffline, edgev1.ReasonCARolling, edgev1.ReasonCAExpiring, edgev1.ReasonIssuedShortened, edgev1.ReasonVerifiedWithWarnings,
	edgev1.ReasonNotProven, edgev1.ReasonAnonymousPull, edgev1.ReasonDeliveredWithWarnings, edgev1.ReasonNodesLate,
	edgev1.ReasonKeyExpiring, edgev1.ReasonQuotaUsedUp, edgev1.ReasonQuotaNearlyUsed, edgev1.ReasonIssuedWithWarnings,
}

// next is what happens by itself in each state.
var next = map[State]string{
	Waiting:  "The operator goes on by itself as soon as that changes.",
	Stalled:  "The operator waits for you. It tries again by itself, after 5 minutes at the latest.",
	Deleting: "The operator tries again by itself until everything is cleaned up.",
}

// Why writes why an EdgeRegistry is not Ready, what to do, and the lines that matter. The events are the latest warnings,
// and are left out where they are not known.
func (r Registry) Why(w io.Writer, colours Colours, now time.Time, events []Event) error {
	p := painter{colours, now}
	lines := []string{Safe(r.Name) + " is " + p.state(r.State) + reasonOf(r), "  " + Safe(r.Message)}
	if by := next[r.State]; by != "" {
		lines = append(lines, "", by)
	}
	matter := r.matter()
	var advice []string
	for _, c := range matter {
		advice = append(advice, Advice(c.Type, c.Reason))
	}
	advice = append(advice, Advice(edgev1.Ready, r.Reason))
	lines = append(lines, section("What to do", distinct(advice))...)
	lines = append(lines, section("The lines that matter", r.lines(p, matter, untold(events, matter)))...)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func reasonOf(r Registry) string {
	if r.State == Ready || r.Reason == "" {
		return ""
	}
	return ": " + Safe(r.Reason)
}

// matter are the conditions that are not True, but for those that only wait for another or are suspended with the whole, and
// those that warn.
func (r Registry) matter() []Condition {
	var found []Condition
	for _, c := range r.Conditions {
		switch {
		case c.Status == "True" && !slices.Contains(warnings, c.Reason):
		case c.Status == "Unknown" && (strings.HasPrefix(c.Message, "waits for ") || c.Reason == edgev1.ReasonSuspended):
		default:
			found = append(found, c)
		}
	}
	return found
}

func (r Registry) lines(p painter, matter []Condition, events []Event) []string {
	var lines []string
	for _, c := range matter {
		lines = append(lines, Safe(c.Type)+" "+p.status(c.Status, Safe(c.Status))+p.since(c)+" "+Safe(c.Reason)+r.unlessSaid(c.Message))
	}
	for _, c := range r.Credentials {
		if c.Current && c.SecondsLeft != nil && *c.SecondsLeft < int64((24*time.Hour).Seconds()) {
			lines = append(lines, "credential "+p.credential(c))
		}
	}
	for _, s := range r.Secrets {
		if s.Copies == nil {
			continue
		}
		for _, f := range s.Copies.Failed {
			lines = append(lines, "copy of "+Safe(s.Name)+" in "+f.line(p))
		}
	}
	if r.Exchange != nil {
		for _, f := range r.Exchange.Failed {
			lines = append(lines, "service "+f.line(p))
		}
	}
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("event %s ago, %s: %s", duration.HumanDuration(p.now.Sub(e.When)), Safe(e.Reason), Safe(e.Message)))
	}
	return lines
}

// unlessSaid is a message, if the first lines have another: it may be long, and is to be read once.
func (r Registry) unlessSaid(message string) string {
	if message == r.Message {
		return ""
	}
	return ": " + Safe(message)
}

// since is how long a condition has been as it is.
func (p painter) since(c Condition) string {
	if c.Since == nil || c.Since.IsZero() {
		return ""
	}
	return " for " + duration.HumanDuration(p.now.Sub(c.Since.Time)) + ","
}

// untold are the events that say what no condition says.
func untold(events []Event, conditions []Condition) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		return slices.ContainsFunc(conditions, func(c Condition) bool { return c.Message == e.Message })
	})
}

func section(title string, lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	written := []string{"", title + ":"}
	for _, line := range lines {
		written = append(written, "  "+line)
	}
	return written
}

// distinct drops what is empty or was there before.
func distinct(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if line != "" && !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
	}
	return kept
}
