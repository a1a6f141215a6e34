// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"
)

// bill is a software bill of materials in CycloneDX 1.6. It lists what the Go
// linker recorded in the binary, so it can neither miss a module nor name one
// too many. Licences are not in that record.
type bill struct {
	Format       string      `json:"bomFormat"`
	SpecVersion  string      `json:"specVersion"`
	SerialNumber string      `json:"serialNumber"`
	Version      int         `json:"version"`
	Metadata     metadata    `json:"metadata"`
	Components   []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Hashes     []checksum `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type checksum struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// writeBill writes BINARY.cdx.json.
func writeBill(binary, version string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the modules of %s: %w", binary, err)
	}
	sum, err := sha256Of(binary)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(newBill(info, filepath.Base(binary), version, sum), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the bill of materials: %w", err)
	}
	return os.WriteFile(binary+".cdx.json", append(content, '\n'), 0o644)
}

func newBill(info *debug.BuildInfo, name, version string, sum []byte) *bill {
	subject := module("application", info.Main.Path, version)
	subject.Name = name
	subject.Hashes = []checksum{{Algorithm: "SHA-256", Content: fmt.Sprintf("%x", sum)}}
	subject.Properties = []property{{Name: "go:module", Value: info.Main.Path}}
	for _, setting := range info.Settings {
		subject.Properties = append(subject.Properties, property{Name: "go:build:" + setting.Key, Value: setting.Value})
	}
	b := &bill{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: serial(sum).URN(),
		Metadata:     metadata{Component: subject},
		Components:   []component{module("library", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))},
	}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		c := module("library", dependency.Path, dependency.Version)
		c.Properties = []property{{Name: "go:sum", Value: dependency.Sum}}
		b.Components = append(b.Components, c)
	}
	return b
}

// serial derives the number of a bill from the binary, so that the same binary has
// the same bill. Version 8 of UUIDs leaves the bits to the application.
func serial(sum []byte) uuid.UUID {
	var id uuid.UUID
	copy(id[:], sum)
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// module is a Go module as a component. Package URLs write the + of a version as %2B.
func module(kind, path, version string) component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: kind, Ref: url, Name: path, Version: version, PURL: url}
}
