// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

// Exit statuses. Every verb has the same ones.
const (
	// ExitDone: done; of status, why and verify also that the EdgeRegistry is Ready.
	ExitDone = 0
	// ExitNotReady: the EdgeRegistry is not Ready, or what was wanted failed.
	ExitNotReady = 1
	// ExitUsage: there is no such verb, argument or flag.
	ExitUsage = 2
	// ExitForbidden: the caller lacks a right in the cluster.
	ExitForbidden = 3
	// ExitNotFound: there is no such EdgeRegistry or Secret.
	ExitNotFound = 4
	// ExitDisagrees: a Secret does not agree with what the operator says, and was not used.
	ExitDisagrees = 5
)

// exitTable is what help says of them.
const exitTable = `  0  done; of status, why and verify also: Ready
  1  not Ready, or it failed
  2  wrong usage
  3  a right is missing in the cluster
  4  there is no such EdgeRegistry or Secret
  5  a Secret does not agree with the status, and was not used
`

// errNotReady was printed already.
var errNotReady = errors.New("not Ready")

// usageError is a mistake in the arguments.
type usageError struct{ error }

func wrongUsage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitOf(err error) int {
	usage := usageError{}
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, cluster.ErrForbidden):
		return ExitForbidden
	case errors.Is(err, cluster.ErrNotFound):
		return ExitNotFound
	case errors.Is(err, cluster.ErrDisagrees):
		return ExitDisagrees
	default:
		return ExitNotReady
	}
}
