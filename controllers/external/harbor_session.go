// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/harbor"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// harborSession is one EdgeRegistry, with robots of Harbor as logins, during one pass. It implements pass.Session.
type harborSession struct {
	*session
	harbor *edgev1.HarborSpec
	// maker is the account that makes robots, or accountErr why there is none. Both are set once accountRead is.
	maker       account
	accountErr  error
	accountRead bool
	// client is made when it is first needed.
	client *harbor.Client
	// listed: this pass has listed the robots; listErr is why it could not. checked: it has read the account's permissions.
	listed, checked bool
	listErr         error
}

// harborMemory is what the process remembers of one EdgeRegistry with robots. It only spares requests.
type harborMemory struct {
	// projectID is the number of the project when the robots were last listed.
	projectID int64
	// robots are ours as they were last listed, at listedAt, by the account of this version. A zero time has them listed again.
	robots   []robot
	listedAt time.Time
	account  string
	// lacking are the permissions that the account of checkedVersion lacked at checkedAt.
	lacking        []string
	checkedAt      time.Time
	checkedVersion string
	// changes are what was reported of robots that somebody changed, by their ids, so that each change is reported once.
	changes map[int64]string
}

func (s *harborSession) harborMemory() *harborMemory {
	m := pass.Part[harborMemory](s.Memory)
	if m.changes == nil {
		m.changes = map[int64]string{}
	}
	return m
}

func (p *Provider) beginHarbor(scope *pass.Scope) *harborSession {
	s := &harborSession{session: p.beginAnywhere(scope), harbor: scope.Edge.Spec.External.Harbor}
	scope.Registry.Advice, scope.Noun = harborAdvice, pass.NounRobot
	s.prepareRobot(&scope.Publisher, s.harbor.Publisher)
	s.prepareRobot(&scope.Puller, s.harbor.Puller)
	return s
}

const day = 24 * time.Hour

func (s *harborSession) prepareRobot(l *pass.Login, life edgev1.RobotSpec) {
	l.Account = s.baseName(l.Role)
	l.Naming = func(generation int64) string { return "robot " + s.robotName(l.Role, generation) }
	lifetime := life.Lifetime.Duration
	l.Policy = pass.Policy{Lifetime: lifetime, RenewBefore: wholeDays(lifetime / 3)}
	if life.RenewBefore != nil {
		l.Policy.RenewBefore = life.RenewBefore.Duration
	}
	l.PullAdvice = "see whether somebody changed the permissions of the robot in Harbor, and have another made by the annotation " + edgev1.RotateAnnotation
	l.PushAdvice = l.PullAdvice
	l.TooMuch = "somebody gave its robot more than pull in Harbor: take that away there, or have another made by the annotation " + edgev1.RotateAnnotation
}

// wholeDays rounds up to days, by which Harbor counts.
func wholeDays(d time.Duration) time.Duration { return (d + day - 1).Truncate(day) }

// hardLife is after how many days Harbor ends a robot by itself: its lifetime and renewBefore.
func hardLife(p pass.Policy) int64 {
	return int64((wholeDays(p.Lifetime) + wholeDays(p.RenewBefore)) / day)
}

// Cleanups implements pass.Session.
func (s *harborSession) Cleanups() []pass.Cleanup {
	return []pass.Cleanup{{What: "remove the robots from Harbor", Run: s.removeRobots}}
}

// CASources implements pass.Session: the Secret of the account may hold the CA. There are no places that are shared with other
// registries, so far returns only the error of the account.
func (s *harborSession) CASources(ctx context.Context, far bool) ([]trust.Candidate, error) {
	account, err := s.account(ctx)
	switch {
	case far:
		return nil, err
	case err != nil || len(account.ca) == 0:
		return nil, nil //nolint:nilerr // The call with far returns the error.
	default:
		return []trust.Candidate{{Source: sourceSupplied, Where: s.where() + ", key " + handoff.KeyCA, PEM: account.ca}}, nil
	}
}

// connect returns the client that speaks for the account.
func (s *harborSession) connect(ctx context.Context) (*harbor.Client, error) {
	if s.Registry.Forbidden != nil {
		return nil, s.Registry.Forbidden
	}
	if s.client != nil {
		return s.client, nil
	}
	account, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	roots, err := s.roots(ctx, account)
	if err != nil {
		return nil, err
	}
	transport := s.Transport(roots)
	transport.IdleConnTimeout = 10 * time.Second
	s.client = harbor.New(harbor.Config{Host: s.spec.Host, Transport: transport, User: account.user, Password: account.password})
	return s.client, nil
}

// roots are the CAs to verify Harbor with: those that are published for the host; nil for the public CAs. While the EdgeRegistry is
// being deleted, no step has verified the host, and the owner of the namespace may have changed what is published. Then only the
// CAs that people supply count.
func (s *harborSession) roots(ctx context.Context, from account) (*x509.CertPool, error) {
	if len(s.CA) > 0 {
		return trust.Pool(s.CA)
	}
	if s.Edge.DeletionTimestamp == nil {
		return nil, nil //nolint:nilnil // The public CAs.
	}
	bundle := string(from.ca)
	if ref := s.Edge.Spec.Trust.CABundleRef; ref != nil {
		more, _, err := objects.Bundle{
			Where: fmt.Sprintf("ConfigMap %s/%s, key %s, of spec.trust.caBundleRef,", s.Namespace, ref.Name, ref.Key), CA: "CA", Field: "caBundleRef",
		}.Read(ctx, s, s.Namespace, ref)
		if err != nil {
			return nil, err
		}
		bundle += "\n" + more
	}
	if bundle == "" {
		return nil, nil //nolint:nilnil // The public CAs.
	}
	pool, err := trust.Pool([]byte(bundle))
	if err != nil {
		return nil, fmt.Errorf("read the CA of Harbor, key %s of %s: %w", handoff.KeyCA, s.where(), err)
	}
	return pool, nil
}

// explain turns an error of Harbor's into one for a condition, with what to do.
func (s *harborSession) explain(err error) error {
	switch harbor.KindOf(err) {
	case "":
		return err
	case harbor.Unauthorized:
		return pass.Stalled(edgev1.ReasonAccountRefused, "%s: correct username and password in %s, or see in Harbor whether the account is disabled or has expired", err, s.where())
	case harbor.Forbidden:
		return pass.Stalled(edgev1.ReasonPermissionMissing,
			"%s: give the account of %s that permission in project %s; a robot that makes robots also needs what it gives them, repository:pull and repository:push",
			err, s.where(), s.harbor.Project)
	case harbor.NotFound:
		return pass.Stalled(edgev1.ReasonPermissionMissing, "%s: see whether project %s is there, and the account may see it", err, s.harbor.Project)
	default:
		return pass.Waiting(edgev1.ReasonIssuerUnavailable, "%s", err)
	}
}

// carryOn has the steps after this one go on with the credential in use, if there is one.
func (s *harborSession) carryOn(l *pass.Login, err error) error {
	b := pass.AsBlocked(err)
	if b == nil || l.Credential.ID == "" || b.Reason == edgev1.ReasonCredentialNotGranted {
		return err
	}
	kept := *b
	kept.CarryOn = true
	if s.Now.Before(l.Credential.Expiry) {
		kept.Message += "; the robot in use works until " + pass.Timestamp(l.Credential.Expiry)
	} else {
		kept.Message += "; the lifetime of the robot in use ended at " + pass.Timestamp(l.Credential.Expiry) + ", and Harbor refuses it soon if it does not yet"
	}
	return &kept
}

// harborAdvice is what to do where Harbor cannot be used.
var harborAdvice = pass.Advice{
	Trust: map[trust.Kind]string{
		trust.NoCandidates: "supply its root CA in the key ca.crt of the Secret with the account, or by spec.trust.caBundleRef",
	},
	Probe: map[registry.Kind]string{
		registry.Refused:        "see in Harbor whether the robot expired, or somebody disabled it or gave it another secret",
		registry.OtherTokenHost: "Harbor gives tokens on its own host: see its external_url",
		registry.Untrusted:      advice.Probe[registry.Untrusted],
	},
}
