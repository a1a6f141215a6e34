// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/clientcmd"
)

// watched are the kinds that the operator watches in the project of each EdgeRegistry.
var watched = []schema.GroupVersionResource{
	corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
	rbacv1.SchemeGroupVersion.WithResource("rolebindings"),
	corev1.SchemeGroupVersion.WithResource("secrets"),
}

// settled is what a process that holds watches writes when all are open.
const settled = "settled"

// holdWatches opens the operator's watches in the projects that projects names, one a line, with nothing but client-go,
// says so, and keeps them until the input ends.
func holdWatches(ctx context.Context, kubeconfig string, projects io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(projects)
	for lines.Scan() && lines.Text() != settled {
		project := lines.Text()
		for _, kind := range watched {
			events, err := client.Resource(kind).Namespace(project).Watch(ctx, metav1.ListOptions{
				LabelSelector: "edge.open-horizon.io/edgeregistry=" + project, AllowWatchBookmarks: true,
			})
			if err != nil {
				return fmt.Errorf("watch %s in %s: %w", kind.Resource, project, err)
			}
			go func() {
				for range events.ResultChan() {
				}
			}()
		}
	}
	if _, err := fmt.Fprintln(out, settled); err != nil {
		return err
	}
	for lines.Scan() {
	}
	return lines.Err()
}

// bareWatches is how many kilobytes a process needs that does nothing but hold the operator's watches of all
// EdgeRegistries, with the operator's setting of the garbage collector.
func (w *world) bareWatches(ctx context.Context) (kilobytes int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	holder := exec.CommandContext(ctx, self, "-hold-watches="+w.kubeconfig)
	holder.Env = []string{"GOGC=40"}
	holder.Stderr = os.Stderr
	in, err := holder.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := holder.Start(); err != nil {
		return 0, fmt.Errorf("hold watches: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close(), holder.Wait()) }()
	if _, err := fmt.Fprintln(in, strings.Join(slices.Concat(w.applied, []string{settled}), "\n")); err != nil {
		return 0, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return 0, fmt.Errorf("the holder of watches said %q: %w", line, err)
	}
	if err := pause(ctx, settling); err != nil {
		return 0, err
	}
	return kilobytesOf(holder.Process.Pid, "VmRSS")
}
