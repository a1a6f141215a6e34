// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"errors"
	"fmt"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// supplied names the Secret with the key, for messages.
func (s *session) supplied() string {
	return fmt.Sprintf("the API key of Secret %s/%s", credentialsNamespace, s.spec.CredentialsSecretRef.Name)
}

// explain turns the error of a call into one for a condition, with what to do. needed is the right that the call takes.
func (s *session) explain(err error, needed string) error {
	var failure *ibmcloud.Error
	if !errors.As(err, &failure) || failure.Unwrap() != nil {
		return err
	}
	switch failure.Kind {
	case ibmcloud.KeyRefused:
		return pass.Stalled(edgev1.ReasonKeyRefused, "%s is refused, since it is unknown, deleted, disabled or expired: put a key that works in its place; %s", s.supplied(), failure)
	case ibmcloud.Forbidden:
		if failure.Operation == ibmcloud.OpToken {
			return pass.Stalled(edgev1.ReasonKeyRestricted, "%s may not be used from the operator's address: allow that in the account's or the identity's list of allowed addresses; %s", s.supplied(), failure)
		}
		return pass.Stalled(edgev1.ReasonRightsMissing, "%s lacks a right: it needs %s; %s", s.supplied(), needed, failure)
	case ibmcloud.Limit:
		return pass.Stalled(edgev1.ReasonLimitReached, "the account has as many namespaces, service IDs, policies or keys as it may have: delete those that nobody uses, or have IBM raise the limit; %s", failure)
	case ibmcloud.Busy, ibmcloud.Unavailable:
		b := pass.Waiting(edgev1.ReasonIBMCloudUnavailable, "%s; %s", failure, whileAway(failure))
		b.Remote, b.Retry = true, failure.RetryAfter
		return b
	case ibmcloud.Untrusted:
		return pass.Waiting(edgev1.ReasonIBMCloudUntrusted, "%s; a proxy that inspects TLS has to leave out IBM Cloud's hosts, or its CA has to be among those that the operator's pod trusts", failure)
	default:
		b := pass.Waiting(edgev1.ReasonIBMCloudUnexpected, "%s; check what answers at that host", failure)
		b.Remote = true
		return b
	}
}

// whileAway says what to do about an API that is not available.
func whileAway(failure *ibmcloud.Error) string {
	switch {
	case failure.Kind == ibmcloud.Busy:
		return "it is asked again after a pause"
	case failure.Status == 0:
		return "check DNS, network policies and the proxy on the way to it"
	default:
		return "look at IBM Cloud's status page, and at what stands before that host; it is asked again"
	}
}

// statusOf is the HTTP status in an error; 0 for none.
func statusOf(err error) int {
	var failure *ibmcloud.Error
	if !errors.As(err, &failure) {
		return 0
	}
	return failure.Status
}

// carryOnIfPublished has the later steps go on although this one waits for IBM Cloud, if the Secrets are published.
func (s *session) carryOnIfPublished(err error) error {
	if b := pass.AsBlocked(err); b != nil && !b.Stalled && s.Record.Settled != 0 {
		b.CarryOn = true
	}
	return err
}
