// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const printed = `go build
noise <of> the build

1. A control plane
  - etcd & kube-apiserver                    6.4s

3. One object

  config/samples/x.yaml:
  kind: EdgeRegistry

  $ kubectl get edgereg
  NAME      READY
  factory   True
  third
  fourth
  fifth

  · RegistryExposed  0.1s  not yet
  ✓ RegistryExposed  0.5s  "done" <so>
`

func TestThePictureHasWhatMatters(t *testing.T) {
	g := NewWithT(t)
	var svg strings.Builder
	g.Expect(draw(strings.NewReader(printed+"  ✓ "+strings.Repeat("x", 200)+"\n"), &svg)).To(Succeed())
	decoder := xml.NewDecoder(strings.NewReader(svg.String()))
	var texts []string
	inText := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText && strings.TrimSpace(string(token)) != "" {
				texts = append(texts, strings.TrimSpace(string(token)))
			}
		}
	}
	g.Expect(texts[:len(texts)-1]).To(Equal([]string{
		"1. A control plane", "- etcd & kube-apiserver                    6.4s", "3. One object", "$ kubectl get edgereg", "NAME      READY", "factory   True",
		"third", "fourth", "· RegistryExposed  0.1s  not yet", `✓ RegistryExposed  0.5s  "done" <so>`,
	}))
	g.Expect(texts[len(texts)-1]).To(HaveSuffix("x…"))
}

func TestAnythingElseIsNoPicture(t *testing.T) {
	NewWithT(t).Expect(draw(strings.NewReader("make: error\n"), io.Discard)).To(MatchError(ContainSubstring("make picture")))
}
