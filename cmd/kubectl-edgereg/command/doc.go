// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package command has the verbs of `kubectl edgereg`, one a file. A verb reads, says, and returns an error; what the error
// means for the exit status is in one place.
//
//	bootstrap.go prints the script that makes a node trust the registry
//	complete.go  completes names
//	env.go       prints the login as exports of a shell
//	exit.go      the exit status of each error
//	help.go      help in the form of a manual page
//	login.go     logs a container engine of this machine in
//	names.go     the arguments and flags that several verbs have
//	request.go   asks the operator for something, and waits for it
//	root.go      the verbs together, and how they reach the cluster
//	rotate.go    has new tokens issued
//	status.go    tells how EdgeRegistries are
//	verify.go    makes the operator verify now
//	why.go       tells why one is not Ready
package command
