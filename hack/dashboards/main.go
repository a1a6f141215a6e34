// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command dashboards writes the dashboard for Grafana and the one for the
// OpenShift console from one description, into config/dashboards.
// `make dashboards` runs it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := manifests.Root()
	if err != nil {
		return err
	}
	for name, dashboard := range map[string]object{"grafana.json": grafana(board), "console.json": console(board)} {
		content, err := encode(dashboard)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "config", "dashboards", name), content, 0o644); err != nil {
			return fmt.Errorf("write a dashboard: %w", err)
		}
	}
	return nil
}

// encode leaves the signs of queries as they are, so that people can read and copy them.
func encode(dashboard object) ([]byte, error) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(dashboard); err != nil {
		return nil, fmt.Errorf("encode a dashboard: %w", err)
	}
	return content.Bytes(), nil
}
