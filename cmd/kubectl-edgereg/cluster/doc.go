// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster asks the API server with the rights of who runs the plugin, and believes nothing that a tenant can write.
//
//	client.go   the connection, and what it reads and writes
//	handover.go a Secret, as far as it agrees with the status
//	refusal.go  what the caller may not do, and who can change that
//	request.go  the annotations that ask the operator for something
package cluster
