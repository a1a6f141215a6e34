// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// bootstrapNode runs the script of the pull Secret on the root of a node, twice.
func (d *demo) bootstrapNode(ctx context.Context) error {
	secret, err := d.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	script, root := secret.Data[handoff.KeyNodeBootstrap], d.scratch("node")
	if err := os.Mkdir(root, 0o755); err != nil {
		return fmt.Errorf("make the root of a node: %w", err)
	}
	var trees []map[string]string
	for range 2 {
		output, err := runScript(ctx, script, root)
		if err != nil {
			return err
		}
		tree, err := readTree(root)
		if err != nil {
			return err
		}
		d.term.command(handoff.KeyNodeBootstrap+" | sh -s -- --root NODE", strings.ReplaceAll(output, root, "NODE"))
		trees = append(trees, tree)
	}
	d.term.block("NODE", "")
	for _, path := range slices.Sorted(maps.Keys(trees[0])) {
		d.term.print(path)
	}
	if !maps.Equal(trees[0], trees[1]) {
		return fmt.Errorf("%s changed something when it ran again", handoff.KeyNodeBootstrap)
	}
	d.term.gap()
	d.term.good("the second run changed nothing")
	return nil
}

// runScript pipes the script into a shell, as people do with sudo sh.
func runScript(ctx context.Context, script []byte, root string) (string, error) {
	shell := exec.CommandContext(ctx, "sh", "-s", "--", "--root", root)
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "TMPDIR=" + filepath.Dir(root), "LC_ALL=C"}
	shell.Stdin = bytes.NewReader(script)
	output, err := shell.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %s: %w: %s", handoff.KeyNodeBootstrap, err, bytes.TrimSpace(output))
	}
	return string(output), nil
}

// readTree describes each file below the root by its path, so that trees can be
// compared by mode, time and content.
func readTree(root string) (map[string]string, error) {
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tree[strings.TrimPrefix(path, root)] = fmt.Sprint(info.Mode(), info.ModTime(), string(content))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the root of the node: %w", err)
	}
	return tree, nil
}
