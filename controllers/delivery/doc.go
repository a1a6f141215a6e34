// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package delivery is the step ExchangeUpdated, which all providers share: it brings the puller's current login to the services of an
// Open Horizon Exchange, and has nodes read it. Package internal/exchange knows how. This package decides for which EdgeRegistry and
// with which login, and reports the result.
//
//	delivery.go  the step, and what is kept from pass to pass
//	login.go     the supplied Secret with the login to the Exchange, and the Exchange's CA
//	verdict.go   the result, for the condition, the status and events
//	nodes.go     which nodes have read the login, and whether the previous one may end
//	withdraw.go  removes the logins of an EdgeRegistry that is being deleted
package delivery
