// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package exchange keeps the logins that an Open Horizon Exchange holds for the images of services equal to the current one of
// a registry, and has running nodes read them again.
//
// A node keeps the logins of a service as it first read them until the service itself changes. So a login that was renewed
// arrives nowhere unless the service is touched after it. What is owed follows from the times of the Exchange alone: a
// login that is not older than its service has not been announced. Nothing has to be remembered for that.
//
// A node shows by its heartbeat when it asked for changes, so that of each it can be said whether it has read the login. Those
// that may have missed a touch are touched again.
//
//	client.go     one request and its answer
//	errors.go     why a call failed, and what to do
//	login.go      who asks, and where, as people write it into a Secret
//	user.go       the user that a key stands for, and the version of the Exchange
//	services.go   the services of an organisation, and the touch
//	entries.go    the logins of a service's images
//	images.go     which images a service is made of, and which lie below a prefix
//	stamp.go      the times of the Exchange
//	plan.go       whose an entry is, and what is to be written
//	exchanges.go  what all passes share: one list for ten minutes, two requests at a time
//	pass.go       one pass over all services
//	service.go    one service in a pass
//	slow.go       what a pass has no time for
//	nodes.go      which nodes run a service, and which report that they cannot load an image
//	reading.go    what a heartbeat proves, and when nodes are told again
//	audience.go   what is known of the nodes of all services
//	look.go       the nodes in a pass
//	withdraw.go   taking the entries out again
//	report.go     what a pass found
package exchange
