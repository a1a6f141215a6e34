// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import "strings"

// Quote makes one word of a POSIX shell of a text, whatever is in it. Nothing within single quotes is special to a shell but
// the quote itself.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
