// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestImagesAreFoundInADeployment(t *testing.T) {
	for _, tt := range []struct {
		name, deployment string
		want             []string
	}{
		{"none", "", nil},
		{"no JSON", "hello", nil},
		{"another form", "[1]", nil},
		{"an archive for clusters", `{"operatorYamlArchive":"H4sI"}`, nil},
		{"containers in order", `{"services":{"b":{"image":"h/b:1"},"a":{"image":"h/a:1","ports":[]},"c":{}}}`, []string{"h/a:1", "h/b:1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			NewWithT(t).Expect(imagesOf(tt.deployment)).To(Equal(tt.want))
		})
	}
}

func TestImagesLieBelowAPrefixByWholeSegments(t *testing.T) {
	for _, tt := range []struct {
		image, host, prefix string
		want                bool
	}{
		{"h.example/edge/camera:1", "h.example", "edge", true},
		{"h.example/edge/camera@sha256:00", "h.example", "edge", true},
		{"h.example/edge/deep/camera", "h.example", "edge", true},
		{"h.example/edge2/camera:1", "h.example", "edge", false},
		{"h.example/edge:1", "h.example", "edge", false},
		{"h.example/my/edge/camera", "h.example", "edge", false},
		{"h.example/plant/edge/camera", "h.example", "plant/edge", true},
		{"h.example/plant/edgeware/camera", "h.example", "plant/edge", false},
		{"h.example:5000/edge/camera", "h.example", "edge", false},
		{"h.example:5000/edge/camera:1", "h.example:5000", "edge", true},
		{"H.example/edge/camera:1", "h.example", "edge", false},
		{"edge/camera:1", "h.example", "edge", false},
		{"h.example/camera:1", "h.example", "", false},
	} {
		NewWithT(t).Expect(isBelow(tt.image, tt.host, tt.prefix)).To(Equal(tt.want), "%s below %s/%s", tt.image, tt.host, tt.prefix)
	}
}
