// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "context"

// removeCopies takes the Secrets of an EdgeRegistry that is being deleted out of other namespaces.
func (r *EdgeRegistryReconciler) removeCopies(context.Context, *scope) error { return nil }
