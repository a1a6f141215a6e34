// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// restarts measures what each EdgeRegistry costs to keep, and what a restart costs, at last beside Secrets that are none of the
// operator's business. Builds of before take turns.
func (b *bench) restarts(ctx context.Context, w *world) error {
	few, many := b.plan.Sizes[0], b.plan.Sizes[len(b.plan.Sizes)-1]
	weights := map[string]int{}
	for _, n := range []int{few, many - few} {
		b.say("apply %d objects", n)
		if _, err := w.byOperator(ctx, w.names("edge", n)); err != nil {
			return err
		}
		if err := pause(ctx, settling); err != nil {
			return err
		}
		for _, build := range b.builds() {
			if err := b.restart(ctx, w, build, ""); err != nil {
				return err
			}
			kept, err := w.manager.kilobytes("VmRSS")
			if err != nil {
				return err
			}
			b.say("%s: %s", build, megabytes(kept))
			b.report.tell(fmt.Sprintf("%s: resident with %d objects", build, len(w.applied)), megabytes(kept))
			if former := weights[build]; former != 0 && n > 0 {
				b.report.tell(build+": resident for each further object", fmt.Sprintf("%.1f KB", float64(kept-former)/float64(n)))
			}
			weights[build] = kept
		}
	}
	for _, beside := range []int{0, b.plan.Beside} {
		where := ""
		if beside > 0 {
			where = fmt.Sprintf(", beside %d Secrets of others", beside)
			if err := w.foreign(ctx, beside); err != nil {
				return err
			}
		}
		for _, build := range b.builds() {
			if err := b.restart(ctx, w, build, where); err != nil {
				return err
			}
		}
	}
	return nil
}

// builds are those to compare.
func (b *bench) builds() []string {
	return append(strings.FieldsFunc(b.plan.Before, func(r rune) bool { return r == ',' }), b.binary)
}

// restart measures how long a fresh process of a build takes until it has looked at everything.
func (b *bench) restart(ctx context.Context, w *world, build, where string) error {
	w.manager.stop()
	restarted, err := w.costOf(func() (time.Duration, error) {
		began := time.Now()
		if err := w.run(ctx, build); err != nil {
			return 0, err
		}
		err := w.lookedAtAll(ctx)
		return time.Since(began), err
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s: restart with %d objects%s", build, len(w.applied), where)
	b.report.tell(what, seconds(restarted.took))
	b.report.tell(what+": CPU of the API server", seconds(restarted.cpu))
	b.say("%s: %s, %s of CPU of the API server", what, seconds(restarted.took), seconds(restarted.cpu))
	return pause(ctx, settling)
}
