// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/xlab/treeprint"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Tree writes the report for people, a tree for each EdgeRegistry.
func (r Report) Tree(w io.Writer, colours Colours, now time.Time) error {
	for i, one := range r.EdgeRegistries {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if _, err := w.Write(one.tree(painter{colours, now}).Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// painter draws trees at a time.
type painter struct {
	Colours
	now time.Time
}

func (r Registry) tree(p painter) treeprint.Tree {
	root := treeprint.NewWithRoot(Safe(r.Name) + "  " + p.state(r.State) + r.because())
	if r.Host != "" {
		root.AddNode("registry     " + Safe(r.Host) + " (" + Safe(r.Provider) + ")")
	}
	if r.ImagePrefix != "" {
		root.AddNode("images       " + Safe(r.ImagePrefix) + "/NAME:TAG")
	}
	if len(r.Conditions) > 0 {
		p.conditions(root.AddBranch("conditions"), r.Conditions)
	}
	if len(r.Credentials) > 0 {
		branch := root.AddBranch("credentials")
		for _, c := range r.Credentials {
			branch.AddNode(p.credential(c))
		}
	}
	if r.CA != nil {
		p.ca(root, r.CA)
	}
	if len(r.Secrets) > 0 {
		p.secrets(root.AddBranch("secrets"), r.Secrets)
	}
	if r.Exchange != nil {
		branch := root.AddBranch("exchange     " + p.counted(r.Exchange.Synced, r.Exchange.Services, "services hold the current login"))
		p.failures(branch, r.Exchange.Failed)
	}
	return root
}

// because is the reason and message where there is something to say besides that all is well. A message that a condition has
// is read there.
func (r Registry) because() string {
	if r.State == Ready || r.Reason == "" {
		return ""
	}
	if slices.ContainsFunc(r.Conditions, func(c Condition) bool { return c.Message == r.Message }) {
		return "  " + Safe(r.Reason)
	}
	return "  " + Safe(r.Reason) + ": " + Safe(r.Message)
}

func (p painter) conditions(branch treeprint.Tree, conditions []Condition) {
	types, reasons := 0, 0
	for _, c := range conditions {
		types, reasons = max(types, len(Safe(c.Type))), max(reasons, len(Safe(c.Reason)))
	}
	for _, c := range conditions {
		status := p.status(c.Status, fmt.Sprintf("%-7s", Safe(c.Status)))
		branch.AddNode(fmt.Sprintf("%-*s  %s  %-*s  %s", types, Safe(c.Type), status, reasons, Safe(c.Reason), Safe(c.Message)))
	}
}

func (p painter) credential(c Credential) string {
	words := []string{fmt.Sprintf("%-9s %d", Safe(c.Role), c.Generation)}
	if !c.Current {
		words = append(words, "older, still works")
	}
	if c.SuppliedBy != "" {
		words = append(words, "supplied by the Secret "+Safe(c.SuppliedBy))
	}
	if c.ExpiresAt != nil {
		words = append(words, p.left(*c.ExpiresAt))
	} else {
		words = append(words, "no expiry is known")
	}
	if c.RenewAt != nil {
		words = append(words, "renewed "+p.in(*c.RenewAt))
	}
	return strings.Join(words, ", ")
}

func (p painter) ca(root treeprint.Tree, ca *CA) {
	branch := root.AddBranch("CA           " + Safe(ca.Subject) + ", " + p.left(ca.NotAfter) + ", from " + Safe(ca.Source))
	for _, leaving := range ca.Leaving {
		branch.AddNode(Safe(leaving.Subject) + ", leaves ca.crt " + p.in(leaving.Until))
	}
}

func (p painter) secrets(branch treeprint.Tree, secrets []Secret) {
	for _, s := range secrets {
		line := fmt.Sprintf("%-7s %s/%s", Safe(s.Role), Safe(s.Namespace), Safe(s.Name))
		if s.Copies == nil {
			branch.AddNode(line)
			continue
		}
		p.failures(branch.AddBranch(line+", "+p.counted(s.Copies.Synced, s.Copies.Total, "copies are up to date")), s.Copies.Failed)
	}
}

func (p painter) failures(branch treeprint.Tree, failures []Failure) {
	for _, f := range failures {
		branch.AddNode(f.line(p))
	}
}

func (f Failure) line(p painter) string {
	line := p.paint(red, Safe(f.Name))
	if f.Reason != "" {
		line += "  " + Safe(f.Reason)
	}
	return line + "  " + Safe(f.Message)
}

// counted says how many of all are as they should be.
func (p painter) counted(synced, total int32, what string) string {
	text := fmt.Sprintf("%d of %d %s", synced, total, what)
	if synced == total {
		return text
	}
	return p.paint(red, text)
}

// left is how long something works.
func (p painter) left(until metav1.Time) string {
	left := until.Sub(p.now)
	at := until.UTC().Format(time.RFC3339)
	switch {
	case left <= 0:
		return p.paint(red, "expired "+duration.HumanDuration(-left)+" ago") + " (" + at + ")"
	case left < 24*time.Hour:
		return p.paint(yellow, duration.HumanDuration(left)+" left") + " (" + at + ")"
	default:
		return duration.HumanDuration(left) + " left (" + at + ")"
	}
}

// in is how far ahead a time is.
func (p painter) in(at metav1.Time) string {
	if ahead := at.Sub(p.now); ahead > 0 {
		return "in " + duration.HumanDuration(ahead)
	}
	return "now"
}
