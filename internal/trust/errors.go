// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Kind says why a host is not trusted, or does not answer.
type Kind string

const (
	// NameMismatch: the chain leads to a candidate, but the certificate does not
	// name the host. No CA repairs that.
	NameMismatch Kind = "NameMismatch"
	// Expired: a certificate of the chain has expired, or is not valid yet.
	Expired Kind = "Expired"
	// NoRoot: a candidate holds a part of the chain, but not its root.
	NoRoot Kind = "NoRoot"
	// Untrusted: the chain leads to no candidate, or breaks a rule of x509.
	Untrusted Kind = "Untrusted"
	// NoCandidates: there is no certificate to check with.
	NoCandidates Kind = "NoCandidates"
	// Unresolvable: DNS does not know the host.
	Unresolvable Kind = "Unresolvable"
	// Unreachable: the host, or a proxy on the way, does not accept the connection.
	Unreachable Kind = "Unreachable"
	// NotTLS: the host answers, but the TLS handshake fails.
	NotTLS Kind = "NotTLS"
)

// Error is the failure of Verify, VerifyOffline and Present. Its text is one
// line that says what is wrong, where, and what to do.
type Error struct {
	Kind Kind
	Host string
	// Where is the candidate that failed; empty if several did.
	Where string
	// Err is the cause, if there is one.
	Err error

	// Advice is what to do. A caller that knows more about the registry may replace it.
	Advice string

	text string
	rank int
}

// Error implements error.
func (e *Error) Error() string {
	if e.Advice == "" {
		return e.text
	}
	return e.text + ": " + e.Advice
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Ranks order the failures of several candidates: the nearer a candidate came to
// verifying the host, the more its failure explains.
const (
	rankNothing = iota
	rankUntrusted
	rankInvalid
	rankNoRoot
	rankExpired
	rankNameMismatch
)

// attempt is the failure of one candidate.
type attempt struct {
	candidate Candidate
	err       *Error
}

// mostTelling returns the failure that helps most, the first of equals.
func mostTelling(host string, presented []*x509.Certificate, attempts []attempt) *Error {
	if len(attempts) == 0 {
		return &Error{Kind: NoCandidates, Host: host, Advice: "put it in " + aConfigMap + field, text: fmt.Sprintf("there is no CA to check %s with", host)}
	}
	most := slices.MaxFunc(attempts, func(a, b attempt) int { return a.err.rank - b.err.rank }).err
	if most.rank == rankUntrusted {
		return untrustedByAll(host, presented, attempts, most.Err)
	}
	return most
}

func untrustedByAll(host string, presented []*x509.Certificate, attempts []attempt, cause error) *Error {
	tried := make([]string, 0, len(attempts))
	for _, a := range attempts {
		place := a.candidate.place()
		if a.err.Kind == NoCandidates {
			place += " (no certificate in it)"
		}
		tried = append(tried, place)
	}
	c := climber{pool: presented[1:], done: isRoot, checks: maxChecks}
	path := c.climb(presented[:1:1])
	top := path[len(path)-1]
	failure := &Error{Kind: Untrusted, Host: host, Err: cause, rank: rankUntrusted,
		Advice: "if that CA is yours, put its root in " + aConfigMap + field, text: fmt.Sprintf(
			"the certificate of %s comes from issuer %s, which is unknown to %s", host, quote(top.Issuer.String()), strings.Join(tried, ", "))}
	switch unusable := leftOut(attempts, top.Issuer.String()); {
	case unusable != "":
		failure.Advice = unusable + ", neither here nor by the container engines of nodes: have a CA of another kind issue the certificate"
	case !isRoot(top):
		failure.Advice += "; if it was itself issued by a root that is there, have the host send the certificate of that CA after its own"
	}
	return failure
}

// leftOut says, as a clause, which candidate holds an unusable certificate of a name; empty for none.
func leftOut(attempts []attempt, name string) string {
	for _, a := range attempts {
		for _, block := range Read(a.candidate.PEM).LeftOut {
			// One is enough: the advice is the same for several.
			if strings.Contains(block, quote(name)) {
				return "it is in " + a.candidate.place() + ", where " + block
			}
		}
	}
	return ""
}

// Parts of advice: where to put a CA, and how to name that place.
const (
	aConfigMap = "a ConfigMap"
	field      = " and name it in spec.trust.caBundleRef"
)

// PlaceIn sets the namespace of ConfigMaps with CAs in the advice of an error.
func (e *Error) PlaceIn(namespace string) {
	e.Advice = strings.Replace(e.Advice, aConfigMap+field, aConfigMap+" in namespace "+namespace+field, 1)
}

func untrusted(host string, c Candidate, cause error) *Error {
	return &Error{Kind: Untrusted, Host: host, Where: c.place(), Err: cause, rank: rankUntrusted,
		text: fmt.Sprintf("the certificate of %s does not lead to %s", host, c.place())}
}

// weakly is the error for a certificate that a known CA signed with an algorithm that clients refuse.
func weakly(host string, c Candidate, cert *x509.Certificate) *Error {
	return &Error{Kind: Untrusted, Host: host, Where: c.place(), Err: x509.InsecureAlgorithmError(cert.SignatureAlgorithm), rank: rankInvalid, text: fmt.Sprintf(
		"the certificate %s in the chain of %s is signed by %s with %s, which clients refuse: have its CA issue another, signed with SHA-256",
		quote(cert.Subject.String()), host, quote(cert.Issuer.String()), cert.SignatureAlgorithm)}
}

// invalid is the error for a certificate that no server may use, whatever CA issued it.
func invalid(host string, c Candidate, cause error) *Error {
	return &Error{Kind: Untrusted, Host: host, Where: c.place(), Err: cause, rank: rankInvalid, text: fmt.Sprintf(
		"the certificate of %s, checked with %s, is not one for a server (%s): have its CA issue another",
		host, c.place(), text.Foreign(cause.Error()))}
}

func nothingPresented(host string) *Error {
	err := errors.New("no certificate presented")
	return &Error{Kind: Untrusted, Host: host, Err: err, rank: rankNothing,
		text: fmt.Sprintf("%s presented no certificate: check what answers on its port %s", host, portOf(host))}
}

func noCertificates(host string, c Candidate, cause error) *Error {
	return &Error{Kind: NoCandidates, Host: host, Where: c.place(), Err: cause, rank: rankNothing, text: fmt.Sprintf(
		"%s cannot vouch for %s (%s): put the root CA into it, in PEM form", c.place(), host, text.Foreign(cause.Error()))}
}

func noLeaf(host string) *Error {
	return &Error{Kind: NoCandidates, Host: host, text: fmt.Sprintf(
		"no known certificate names %s, so that its CA can only be checked over a connection: let the operator connect to it", host)}
}

func noRoot(host string, c Candidate, top *x509.Certificate) *Error {
	return &Error{Kind: NoRoot, Host: host, Where: c.place(), rank: rankNoRoot, text: fmt.Sprintf(
		"%s holds a part of the chain of %s but not its root, which is %s", c.place(), host, quote(top.Issuer.String())),
		Advice: "put that root in " + aConfigMap + field}
}

func nameMismatch(host string, c Candidate, leaf *x509.Certificate) *Error {
	return &Error{Kind: NameMismatch, Host: host, Where: c.place(), Err: leaf.VerifyHostname(nameOf(host)), rank: rankNameMismatch,
		Advice: "no CA can repair that, give the registry a certificate that names the host",
		text:   fmt.Sprintf("the certificate of %s is for %s", host, names(leaf))}
}

// expired returns the failure of the certificate nearest to the root that is not
// valid now, or nil when all are.
func expired(host string, c Candidate, path []*x509.Certificate, now time.Time) *Error {
	for i, cert := range slices.Backward(path) {
		var when, todo string
		switch {
		case now.After(cert.NotAfter):
			when, todo = "expired at "+cert.NotAfter.UTC().Format(time.RFC3339), "renew it"
		case now.Before(cert.NotBefore):
			when, todo = "is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339), "check the clocks or wait"
		default:
			continue
		}
		role := "certificate"
		switch {
		case isRoot(cert):
			role, todo = "root", todo+", in "+c.place()+" too"
		case i > 0:
			role = "intermediate"
		}
		return &Error{Kind: Expired, Host: host, Where: c.place(), rank: rankExpired, text: fmt.Sprintf(
			"the %s %s in the chain of %s %s: %s", role, quote(cert.Subject.String()), host, when, todo)}
	}
	return nil
}

// maxNames is how many names of a certificate a message lists.
const maxNames = 5

func names(cert *x509.Certificate) string {
	list := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		list = append(list, ip.String())
	}
	switch {
	case len(list) > 0:
	case cert.Subject.CommonName != "":
		return fmt.Sprintf("no host, since it has no subjectAltName, and clients do not read %s in its common name", quote(cert.Subject.CommonName))
	default:
		return "no host at all"
	}
	more := ""
	if len(list) > maxNames {
		more = fmt.Sprintf(" and %d more", len(list)-maxNames)
		list = list[:maxNames]
	}
	for i := range list {
		list[i] = text.Foreign(list[i])
	}
	return strings.Join(list, ", ") + more
}

// quote makes text of a certificate fit for a message.
func quote(foreign string) string {
	return strconv.Quote(text.Foreign(foreign))
}
