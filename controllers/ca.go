// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// ca.crt holds the certificates that verify the route, then upcoming ones, then outgoing ones, because each consumer takes a new
// ca.crt at its own time.

const (
	// defaultOverlap is the default of the API, for an object that was stored before the field existed.
	defaultOverlap = 720 * time.Hour
	// leastNotice is the least time between the warning and the end of a CA.
	leastNotice = 720 * time.Hour
)

// lastCA is what an earlier pass published and the Secrets still carry.
type lastCA struct {
	// Bundle describes the CA of that pass, without outgoing certificates; it is empty if it cannot be used.
	trust.Bundle
	// certificates are all that are not expired.
	certificates []*x509.Certificate
	// until is when each outgoing certificate is removed, by fingerprint.
	until map[string]time.Time
	// record is what that pass put on record; nil if there was none.
	record *edgev1.CAStatus
}

func (l lastCA) usable() bool { return l.Root != nil }

func (l lastCA) outgoing(cert *x509.Certificate) bool {
	_, leaving := l.until[trust.Fingerprint(cert)]
	return leaving
}

// publishedCA is what this process last decided to publish for an EdgeRegistry. It is known before the status is written, and after
// both Secrets were deleted.
type publishedCA struct {
	record *edgev1.CAStatus
	pem    []byte
	// none: nothing is published, since public CAs verify the host.
	none bool
}

// lastGoodCA returns the certificates that an earlier pass verified and that can still be read. After a restart they are read from
// the Secrets, which anybody who may edit the project can write. So one counts only if its fingerprint is known to this process or
// to the record, which only the operator can write.
func (p *run) lastGoodCA() lastCA {
	record, readable := p.recordedCA()
	if record == nil {
		return lastCA{}
	}
	last := lastCA{record: record, until: p.leaving(record)}
	for _, fingerprint := range record.Certificates {
		cert := readable[fingerprint]
		until, leaves := last.until[fingerprint]
		if cert == nil || (leaves && !until.After(p.Now)) {
			continue
		}
		last.certificates = append(last.certificates, cert)
		if !leaves {
			last.Certificates = append(last.Certificates, cert)
		}
	}
	root := readable[record.SHA256]
	if root == nil || !slices.ContainsFunc(last.Certificates, root.Equal) {
		return last
	}
	last.Root, last.Subject, last.SHA256 = root, record.Subject, record.SHA256
	last.Source, last.Where, last.NotAfter = trust.Source(record.Source), "what was published before", record.NotAfter.Time
	return last
}

// recordedCA returns the record of what was published, or nil, and whatever certificates can be read
// where an earlier pass left them, by their fingerprint.
func (p *run) recordedCA() (*edgev1.CAStatus, map[string]*x509.Certificate) {
	record := p.Record.CA
	var sources [][]byte
	if known := pass.Part[publishedCA](p.Memory); known.record != nil {
		record = known.record
		sources = append(sources, known.pem)
	}
	for _, l := range p.Logins() {
		if secret := p.Secrets[l.Secret]; secret != nil {
			sources = append(sources, secret.Data[handoff.KeyCA])
		}
	}
	readable := map[string]*x509.Certificate{}
	for _, source := range sources {
		certificates, _ := trust.ParsePEM(source)
		for _, cert := range certificates {
			readable[trust.Fingerprint(cert)] = cert
		}
	}
	return record, readable
}

// leaving returns until when each outgoing certificate stays, by fingerprint. A shorter overlap shortens that; nothing makes it
// longer.
func (p *run) leaving(record *edgev1.CAStatus) map[string]time.Time {
	leaving := map[string]time.Time{}
	for _, previous := range record.Previous {
		leaving[previous.SHA256] = pass.Earlier(previous.Until.Time, p.Now.Add(p.overlap()))
	}
	return leaving
}

// publishCA sets ca.crt to what was found, and to what stays beside it.
func (p *run) publishCA(found finding, last lastCA) {
	kept := slices.Clone(found.Certificates)
	var upcoming []*x509.Certificate
	for _, successor := range found.successors {
		upcoming = append(upcoming, successor.Certificates...)
	}
	kept = append(kept, without(byFingerprint(upcoming), kept)...)
	outgoing, previous := p.displace(without(last.certificates, kept), last.until)
	certificates := append(kept, outgoing...)

	record := &edgev1.CAStatus{
		Subject:  found.Subject,
		SHA256:   found.SHA256,
		NotAfter: metav1.NewTime(found.NotAfter),
		Source:   string(found.Source),
		Previous: previous,
	}
	for _, cert := range certificates {
		record.Certificates = append(record.Certificates, trust.Fingerprint(cert))
	}
	old := last.record
	if old != nil && old.SHA256 != record.SHA256 {
		p.Note(edgev1.ReasonCAChanged, fmt.Sprintf("the root certificate is now %q from %s; %s", found.Subject, found.Where, fate(old, record)), nil)
	}
	p.Settled = p.Settled && old != nil && slices.Equal(old.Certificates, record.Certificates)
	p.CA = trust.EncodePEM(certificates)
	p.Edge.Status.CA, p.Record.CA = record, record.DeepCopy()
	*pass.Part[publishedCA](p.Memory) = publishedCA{record: record.DeepCopy(), pem: p.CA}
}

// needsNoCA reports whether public CAs verify the host and no published certificate has to stay.
func (p *run) needsNoCA(found finding, last lastCA) bool {
	if !p.Registry.PublicCAs || found.Source != trust.SourceSystem {
		return false
	}
	stay, _ := p.displace(without(last.certificates, found.Certificates), last.until)
	return len(stay) == 0
}

// neededNoCA reports whether an earlier pass found that there is no CA to publish.
func (p *run) neededNoCA() bool {
	return p.Registry.PublicCAs && p.Record.CA == nil && (p.wasSettled || pass.Part[publishedCA](p.Memory).none)
}

// publishNoCA leaves ca.crt out of the Secrets.
func (p *run) publishNoCA(last lastCA) {
	if last.record != nil {
		p.Note(edgev1.ReasonCAChanged, fmt.Sprintf("public CAs verify %s: the Secrets have no ca.crt any more", p.Registry.Host), nil)
		p.Settled = false
	}
	p.CA, p.Edge.Status.CA, p.Record.CA = nil, nil, nil
	*pass.Part[publishedCA](p.Memory) = publishedCA{none: true}
}

// displace returns which certificates that no place holds any more stay, and until when: for the overlap, but not beyond their own
// expiry.
func (p *run) displace(certificates []*x509.Certificate, leaving map[string]time.Time) (stay []*x509.Certificate, records []edgev1.PreviousCA) {
	for _, cert := range byFingerprint(certificates) {
		until, known := leaving[trust.Fingerprint(cert)]
		if !known {
			until = p.Now.Add(p.overlap())
		}
		until = pass.Earlier(until, cert.NotAfter).Truncate(time.Second)
		if !until.After(p.Now) {
			continue
		}
		p.Due(until)
		stay = append(stay, cert)
		records = append(records, edgev1.PreviousCA{
			Subject:  cert.Subject.String(),
			SHA256:   trust.Fingerprint(cert),
			NotAfter: metav1.NewTime(cert.NotAfter),
			Until:    metav1.NewTime(until),
		})
	}
	return stay, records
}

// fate says in a message how long the root that was current stays.
func fate(old, record *edgev1.CAStatus) string {
	for _, previous := range record.Previous {
		if previous.SHA256 == old.SHA256 {
			return fmt.Sprintf("the previous one, %q, stays in ca.crt until %s", old.Subject, pass.Timestamp(previous.Until.Time))
		}
	}
	if slices.Contains(record.Certificates, old.SHA256) {
		return fmt.Sprintf("the previous one, %q, stays in ca.crt as long as it is vouched for", old.Subject)
	}
	return fmt.Sprintf("the previous one, %q, is no longer in ca.crt", old.Subject)
}

// warnOfEnd warns of a CA that expires soon, early enough for consumers to take another.
func (p *run) warnOfEnd(found finding) pass.Done {
	notice := max(2*p.overlap(), leastNotice)
	// There is no warning in the first half of a CA's life, whatever the overlap.
	notice = min(notice, found.Root.NotAfter.Sub(found.Root.NotBefore)/2)
	begin := found.NotAfter.Add(-notice)
	if p.Now.Before(begin) {
		p.Due(begin)
		return found.done
	}
	if found.done.Reason == edgev1.ReasonCARolling {
		return found.done
	}
	return pass.DoneBecause(edgev1.ReasonCAExpiring, "%s; this CA ends at %s: %s", found.done.Message, pass.Timestamp(found.NotAfter), p.remedy(found))
}

func (p *run) remedy(found finding) string {
	if len(found.successors) > 0 {
		return fmt.Sprintf("ca.crt holds %s too: have the registry take a certificate of it before", subjectsOf(found.successors))
	}
	if p.Registry.CARemedy != nil {
		if remedy := p.Registry.CARemedy(found.Source, found.Root); remedy != "" {
			return remedy
		}
	}
	return "have it renewed. So that no consumer breaks, name the root of a CA of your own in spec.trust.caBundleRef, and have the registry use that CA once consumers have both"
}

func (p *run) overlap() time.Duration {
	if overlap := p.Edge.Spec.Trust.Overlap; overlap != nil {
		return overlap.Duration
	}
	return defaultOverlap
}

// byFingerprint returns certificates in an order that does not depend on where they were found, each once.
func byFingerprint(certificates []*x509.Certificate) []*x509.Certificate {
	sorted := slices.SortedFunc(slices.Values(certificates), func(a, b *x509.Certificate) int {
		return cmp.Compare(trust.Fingerprint(a), trust.Fingerprint(b))
	})
	return slices.CompactFunc(sorted, (*x509.Certificate).Equal)
}

// without returns the certificates that are not among the others.
func without(certificates, others []*x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(certificates), func(cert *x509.Certificate) bool {
		return slices.ContainsFunc(others, cert.Equal)
	})
}
