// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package delivery is the step ExchangeUpdated, the same for all providers: it brings the puller's current login to the
// services of an Open Horizon Exchange, and has nodes read it. How that is done is in package internal/exchange; here is for
// whom, as whom, and what is told of it.
//
//	delivery.go  the step, and what is kept from pass to pass
//	login.go     the supplied Secret that says who asks, and the CA of the Exchange
//	verdict.go   what became of it, as the condition, the status and events say it
//	nodes.go     which nodes have read it, and whether the previous login may end
//	withdraw.go  the logins of an EdgeRegistry that is being deleted
package delivery
