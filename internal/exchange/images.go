// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// imagesOf returns the images that a deployment names, sorted by the names of its containers. A deployment is a string with JSON. The
// one for a cluster mostly holds an archive instead, which is not searched.
func imagesOf(deployment string) []string {
	var parsed struct {
		Services map[string]struct {
			Image string `json:"image"`
		} `json:"services"`
	}
	if deployment == "" || json.Unmarshal([]byte(deployment), &parsed) != nil {
		return nil
	}
	var images []string
	for _, name := range slices.Sorted(maps.Keys(parsed.Services)) {
		if image := parsed.Services[name].Image; image != "" {
			images = append(images, image)
		}
	}
	return images
}

// isBelow reports whether an image, host[:port]/path[:tag][@digest], is at the host and below the prefix, by whole segments of its
// path. The host has to be spelled the same, because nodes compare it so.
func isBelow(image, host, prefix string) bool {
	at, path, found := strings.Cut(image, "/")
	return found && at == host && prefix != "" && strings.HasPrefix(path, prefix+"/")
}
