// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const certificateBlock = "CERTIFICATE"

// certificateLabels are the labels of certificates in PEM. Older programs write the last two (RFC 7468, section 5.1).
var certificateLabels = []string{certificateBlock, "X509 CERTIFICATE", "X.509 CERTIFICATE"}

// boundary is the beginning or the end of a block, anywhere in a line. OpenSSL, Go and GnuTLS differ in what they accept around it,
// and a file is mostly written by one program and read by others.
var boundary = regexp.MustCompile(`-----(BEGIN|END) ([A-Za-z0-9. ]{1,64})-----`)

// Reading is the content of a PEM file.
type Reading struct {
	// Certificates are in the order of the file.
	Certificates []*x509.Certificate
	// LeftOut says, for each block that was not read, which it is and why, for people.
	LeftOut []string
	// Blocks is how many blocks there are.
	Blocks int
	// broken is why the last unreadable certificate cannot be read.
	broken error
}

// Read reads a PEM file as people and programs write it: with text and byte order marks between blocks, with any line ends,
// with blocks that have no line end between them, and with the older labels.
func Read(data []byte) Reading {
	var r Reading
	data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	at := boundary.FindAllSubmatchIndex(data, -1)
	for i, mark := range at {
		if string(data[mark[2]:mark[3]]) != "BEGIN" {
			continue
		}
		r.Blocks++
		label := string(data[mark[4]:mark[5]])
		switch ends := i+1 < len(at) && string(data[at[i+1][2]:at[i+1][3]]) == "END" && string(data[at[i+1][4]:at[i+1][5]]) == label; {
		case !slices.Contains(certificateLabels, label):
			r.leaveOut("is no certificate but "+text.Foreign(label), nil)
		case !ends:
			r.leaveOut("has no end", errors.New("it has no end"))
		default:
			r.take(data[mark[1]:at[i+1][0]])
		}
	}
	return r
}

// take reads the certificate in the content of a block.
func (r *Reading) take(content []byte) {
	block, _ := pem.Decode(slices.Concat([]byte("-----BEGIN CERTIFICATE-----\n"), bytes.TrimSpace(content), []byte("\n-----END CERTIFICATE-----\n")))
	if block == nil {
		r.leaveOut("is not in base64", errors.New("it is not in base64"))
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		r.leaveOut(fmt.Sprintf("%scannot be used (%s)", subjectOf(block.Bytes), text.Foreign(err.Error())), err)
		return
	}
	r.Certificates = append(r.Certificates, cert)
}

// leaveOut adds a block to LeftOut. broken is why it cannot be read, if it should be a certificate.
func (r *Reading) leaveOut(why string, broken error) {
	r.LeftOut = append(r.LeftOut, fmt.Sprintf("block %d %s", r.Blocks, why))
	if broken != nil {
		r.broken = broken
	}
}

// Missing returns a clause of a message that says which blocks of the file at a place are left out; empty for none.
func (r Reading) Missing(place string) string {
	const most = 3
	if len(r.LeftOut) == 0 {
		return ""
	}
	named, more := r.LeftOut[:min(most, len(r.LeftOut))], ""
	if rest := len(r.LeftOut) - len(named); rest > 0 {
		more = fmt.Sprintf(", and %d more", rest)
	}
	return fmt.Sprintf("%d of %d blocks in %s are left out: %s%s", len(r.LeftOut), r.Blocks, place, strings.Join(named, ", "), more)
}

// subjectOf is the subject of a certificate that crypto/x509 cannot read, with a blank after it; empty if that cannot be read either.
func subjectOf(der []byte) string {
	var certificate struct {
		TBS struct {
			Version            int `asn1:"optional,explicit,default:0,tag:0"`
			Serial             *big.Int
			SignatureAlgorithm pkix.AlgorithmIdentifier
			Issuer             asn1.RawValue
			Validity           asn1.RawValue
			Subject            asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(der, &certificate); err != nil {
		return ""
	}
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(certificate.TBS.Subject.FullBytes, &names); err != nil || len(names) == 0 {
		return ""
	}
	return quote(names.String()) + " "
}
