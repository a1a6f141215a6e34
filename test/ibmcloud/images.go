// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// image is one of the list (container-registry, RemoteAPIImage).
type image struct {
	ID           string              `json:"Id"`
	ParentID     string              `json:"ParentId"`
	RepoTags     []string            `json:"RepoTags"`
	RepoDigests  []string            `json:"RepoDigests"`
	DigestTags   map[string][]string `json:"DigestTags"`
	Created      int64               `json:"Created"`
	Size         int64               `json:"Size"`
	VirtualSize  int64               `json:"VirtualSize"`
	Labels       map[string]string   `json:"Labels"`
	ManifestType string              `json:"ManifestType"`
}

// listImages sends the images with a tag of the namespaces whose images the caller may list. Those of IBM are not here, and
// there is no report about vulnerabilities.
func (c *Cloud) listImages(call apiCall) reply {
	query := call.URL.Query()
	seen := []*image{}
	for _, n := range c.namespaces[call.region] {
		asked := query.Get("namespace") == "" || query.Get("namespace") == n.Name
		if asked && n.Account == call.account && c.mayAt(call, "image.list", n.Name) {
			seen = append(seen, c.imagesOf(call, n.Name, query.Get("repository"))...)
		}
	}
	slices.SortFunc(seen, func(a, b *image) int { return strings.Compare(a.RepoDigests[0], b.RepoDigests[0]) })
	return reply{status: http.StatusOK, body: seen}
}

// imagesOf reads the storage of the registry: repositories/NAME/_manifests/tags/TAG/current/link names a digest.
func (c *Cloud) imagesOf(call apiCall, namespace, repository string) []*image {
	folder := c.repositories(call.region)
	if folder == "" {
		return nil
	}
	found := map[string]*image{}
	_ = filepath.WalkDir(filepath.Join(folder, namespace), func(path string, _ os.DirEntry, err error) error {
		before, rest, isTag := strings.Cut(path, "/_manifests/tags/")
		tag, isLink := strings.CutSuffix(rest, "/current/link")
		if err != nil || !isTag || !isLink {
			return err
		}
		name, err := filepath.Rel(folder, before)
		if err != nil {
			return err
		}
		if host := hostOf(call.Request); repository == "" || repository == name || repository == host+"/"+name {
			digest, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			c.addImage(found, call.region, host+"/"+name, tag, string(digest))
		}
		return nil
	})
	var all []*image
	for _, one := range found {
		all = append(all, one)
	}
	return all
}

func (c *Cloud) addImage(found map[string]*image, region, repository, tag, digest string) {
	named := repository + "@" + digest
	one := found[named]
	if one == nil {
		one = &image{ID: digest, RepoDigests: []string{named}, DigestTags: map[string][]string{}, Labels: map[string]string{}}
		var manifest struct {
			MediaType string               `json:"mediaType"`
			Config    struct{ Size int64 } `json:"config"`
			Layers    []struct{ Size int64 }
		}
		algorithm, hex, _ := strings.Cut(digest, ":")
		blob, _ := os.ReadFile(filepath.Join(c.repositories(region), "../blobs", algorithm, hex[:2], hex, "data"))
		_ = json.Unmarshal(blob, &manifest)
		one.ManifestType, one.Size = manifest.MediaType, manifest.Config.Size
		for _, layer := range manifest.Layers {
			one.Size += layer.Size
		}
		one.VirtualSize = one.Size
		found[named] = one
	}
	one.RepoTags = append(one.RepoTags, repository+":"+tag)
	one.DigestTags[digest] = append(one.DigestTags[digest], repository+":"+tag)
}
