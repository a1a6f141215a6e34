// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs holds the documents, and those of them that a program shows.
package docs

import _ "embed"

// Troubleshooting says of each reason what to do, in a table: condition, reasons, what to do. `kubectl edgereg why` prints
// the row of a reason, so that it is written once.
//
//go:embed troubleshooting.md
var Troubleshooting string
