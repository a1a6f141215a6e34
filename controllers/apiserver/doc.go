// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver is the connection to the API server of the operator's cluster, the same for all providers.
//
//	connection.go       the clients, and what the API server says of a token
//	scheme.go           the types and the paths of what the operator works with
//	identity.go         who the operator is
//	redact.go           no error, warning or event repeats a token
//	event_log.go        each event is in the log besides
//	bounded_watches.go  no watch lasts for ever
//	occasions.go        when all tokens are to be reviewed
//	signing_keys.go     the keys of the API server's tokens
//	scrape.go           who may read the metrics
package apiserver
