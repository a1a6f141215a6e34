// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package show turns an EdgeRegistry into what people and programs read. It asks nobody, and what it returns is fit for a
// terminal or for a shell, whatever somebody wrote into the cluster.
//
//	advice.go   what to do about a reason, from docs/troubleshooting.md
//	colour.go   green, yellow and red, where they are wanted
//	json.go     the report as JSON
//	quote.go    a value as one word of a shell
//	report.go   what is shown of an EdgeRegistry
//	safe.go     the texts of others without control characters
//	tree.go     the report as a tree
//	why.go      the lines of a report that matter
package show
