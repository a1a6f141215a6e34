// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package objects writes the operator's objects in the namespaces of others. All that is created, changed or deleted there
// for an EdgeRegistry goes through Writer.
//
//	writer.go        makes an object as desired, and nothing that is another's
//	diff.go          whether a live object is as desired
//	owner.go         whose an object is
//	repair_limit.go  the limit on repairs that somebody reverts each time
//	refusal.go       why the API server refuses
//	secrets.go       reads the Secrets
//	supplied.go      what people supply: Secrets, and which EdgeRegistries may use them; CA bundles
//	names.go         labels and annotations
package objects
