// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// imagesOf returns the images that a deployment names, by the names of its containers. A deployment is a text that holds JSON;
// the one of a cluster mostly holds an archive instead, in which no image is looked for.
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

// isBelow reports whether an image, host[:port]/path[:tag][@digest], lies at the host and below the prefix, by whole segments
// of its path. The host has to be spelled alike, as nodes compare it.
func isBelow(image, host, prefix string) bool {
	at, path, found := strings.Cut(image, "/")
	return found && at == host && prefix != "" && strings.HasPrefix(path, prefix+"/")
}
