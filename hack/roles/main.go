// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command roles takes the rights that only OpenShift has a use for out of
// config/rbac/role.yaml, as controller-gen has written it, and puts them into the
// component config/components/openshift: Roles in OpenShift's namespaces as they
// are, and rules of the ClusterRole as a patch that adds them where they were. A
// cluster of plain Kubernetes has neither those namespaces nor those APIs.
// `make manifests` runs it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const (
	allRoles       = "config/rbac/role.yaml"
	openShiftRoles = "config/components/openshift/role.yaml"
	openShiftRules = "config/components/openshift/cluster_rules.yaml"
	generated      = "# Written by `make manifests` from the markers in controllers/.\n"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "roles:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := manifests.Root()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(allRoles)))
	if err != nil {
		return fmt.Errorf("read what controller-gen wrote: %w", err)
	}
	files, err := split(content)
	if err != nil {
		return fmt.Errorf("split %s: %w", allRoles, err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// addition is an operation of a JSON patch that adds a rule.
type addition struct {
	Op    string            `json:"op"`
	Path  string            `json:"path"`
	Value rbacv1.PolicyRule `json:"value"`
}

// split returns the files by their paths below the root.
func split(content []byte) (map[string][]byte, error) {
	var everywhere, openShift []rbacv1.ClusterRole
	var additions []addition
	for document := range strings.SplitSeq(strings.TrimPrefix(string(content), "---\n"), "\n---\n") {
		var role rbacv1.ClusterRole // A Role has the same fields that count here.
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		if strings.HasPrefix(role.Namespace, "openshift-") {
			openShift = append(openShift, role)
			continue
		}
		kept, added, err := splitRules(role.Rules)
		if err != nil {
			return nil, err
		}
		if len(added) > 0 && role.Kind != "ClusterRole" {
			return nil, fmt.Errorf("the %s in %s has rules for APIs of OpenShift: only the ClusterRole can be split", role.Kind, role.Namespace)
		}
		role.Rules, additions = kept, append(additions, added...)
		everywhere = append(everywhere, role)
	}
	if len(additions) == 0 || len(openShift) == 0 {
		return nil, errors.New("it has no rights of OpenShift: controller-gen has to write it first, as `make manifests` does")
	}
	files := map[string][]byte{}
	var err error
	if files[allRoles], err = documents(everywhere); err != nil {
		return nil, err
	}
	if files[openShiftRoles], err = documents(openShift); err != nil {
		return nil, err
	}
	patch, err := yaml.Marshal(additions)
	if err != nil {
		return nil, fmt.Errorf("encode the patch: %w", err)
	}
	files[openShiftRules] = append([]byte(generated), patch...)
	return files, nil
}

// splitRules keeps the rules that every cluster has a use for. The others are to be added at the index that they have
// now, from the first to the last, so that the ClusterRole is then what controller-gen wrote.
func splitRules(rules []rbacv1.PolicyRule) (kept []rbacv1.PolicyRule, added []addition, err error) {
	ofOpenShift := func(group string) bool { return strings.HasSuffix(group, ".openshift.io") }
	for i, rule := range rules {
		switch {
		case !slices.ContainsFunc(rule.APIGroups, ofOpenShift):
			kept = append(kept, rule)
		case slices.ContainsFunc(rule.APIGroups, func(group string) bool { return !ofOpenShift(group) }):
			return nil, nil, fmt.Errorf("a rule is for the API groups %q: give those of OpenShift a marker of their own", rule.APIGroups)
		default:
			added = append(added, addition{Op: "add", Path: fmt.Sprintf("/rules/%d", i), Value: rule})
		}
	}
	return kept, added, nil
}

func documents(roles []rbacv1.ClusterRole) ([]byte, error) {
	file := bytes.NewBufferString(generated)
	for _, role := range roles {
		content, err := yaml.Marshal(role)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", role.Kind, role.Name, err)
		}
		fmt.Fprintf(file, "---\n%s", content)
	}
	return file.Bytes(), nil
}
