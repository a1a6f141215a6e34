// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const arch = runtime.GOOS + "-" + runtime.GOARCH

// servers are those of the official builds: what is there by path. A path that is in silent gets that much of its answer, and
// then nothing.
type servers struct {
	*httptest.Server
	files  map[string][]byte
	silent map[string]int
	asked  []string
}

func startServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{files: map[string][]byte{}, silent: map[string]int{}}
	folder := "/kubernetes/v1.2.3/bin/" + runtime.GOOS + "/" + runtime.GOARCH + "/"
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kubectl"} {
		s.files[folder+name] = []byte("official " + name)
		s.files[folder+name+".sha256"] = fmt.Appendf(nil, "%x", sha256.Sum256(s.files[folder+name]))
	}
	archive := "etcd-v3.2.1-" + arch
	content := archived(t, map[string]string{archive + "/README.md": "read me", archive + "/etcd": "official etcd", archive + "/etcdctl": "another"})
	s.files["/etcd/v3.2.1/"+archive+".tar.gz"] = content
	s.files["/etcd/v3.2.1/SHA256SUMS"] = fmt.Appendf(nil, "%x  etcd-v3.2.1-other.tar.gz\n%x  %s.tar.gz\n", sha256.Sum256(nil), sha256.Sum256(content), archive)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.URL.Path)
		content, there := s.files[r.URL.Path]
		if !there {
			http.NotFound(w, r)
			return
		}
		if some, silent := s.silent[r.URL.Path]; silent {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:some])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(s.Close)
	return s
}

func archived(t *testing.T, files map[string]string) []byte {
	t.Helper()
	g := NewWithT(t)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for name, content := range files {
		g.Expect(archive.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))})).To(Succeed())
		_, err := archive.Write([]byte(content))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(archive.Close()).To(Succeed())
	g.Expect(zipped.Close()).To(Succeed())
	return out.Bytes()
}

// newPlane is one that asks the servers, and whose builds are short. It notes what was built.
func newPlane(t *testing.T, s *servers, out *bytes.Buffer, built *[]string) *plane {
	t.Helper()
	g := NewWithT(t)
	p := &plane{
		modules: t.TempDir(), folder: filepath.Join(t.TempDir(), "bin"), progress: &progress{out: out},
		versions: map[string]string{etcdModule: "v3.2.1", kubernetesModule: "v1.2.3"},
	}
	client := s.Client()
	client.CheckRedirect = staySecure
	p.official = &official{kubernetes: s.URL + "/kubernetes", etcd: s.URL + "/etcd", limit: time.Minute, client: client}
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"go.mod", "go.sum"} {
		g.Expect(os.WriteFile(filepath.Join(p.modules, name), nil, 0o600)).To(Succeed())
		g.Expect(os.Chtimes(filepath.Join(p.modules, name), long, long)).To(Succeed())
	}
	p.build = func(_ context.Context, missing []program) error {
		for _, program := range missing {
			*built = append(*built, program.name)
			g.Expect(os.WriteFile(filepath.Join(p.folder, program.name), []byte("built "+program.name), 0o755)).To(Succeed())
		}
		return nil
	}
	return p
}

// contents are the files of a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	g := NewWithT(t)
	entries, err := os.ReadDir(folder)
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		g.Expect(err).NotTo(HaveOccurred())
		info, err := entry.Info()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(info.Mode()&0o111).NotTo(BeZero(), "%s can be run", entry.Name())
		all[entry.Name()] = string(content)
	}
	return all
}

func TestWhereTheProgramsComeFrom(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("official builds are for Linux alone")
	}
	folder := "/kubernetes/v1.2.3/bin/linux/" + runtime.GOARCH + "/"
	archive := "/etcd/v3.2.1/etcd-v3.2.1-" + arch + ".tar.gz"
	all := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
	for name, tt := range map[string]struct {
		before func(*servers, *plane)
		built  []string
		says   string
	}{
		"all are there":  {func(*servers, *plane) {}, nil, "kubectl: downloaded, and its SHA-256 is the published one"},
		"nobody answers": {func(s *servers, _ *plane) { s.Close() }, all, "connection refused; building instead"},
		"the server says nothing": {func(s *servers, p *plane) {
			s.silent["/etcd/v3.2.1/SHA256SUMS"], p.official.limit = 0, 50*time.Millisecond
		}, all, "SHA256SUMS: nothing for 50ms; building instead"},
		"the server falls silent": {func(s *servers, p *plane) {
			s.silent[folder+"kube-apiserver"], p.official.limit = 5, 50*time.Millisecond
		}, all[1:], "kube-apiserver: nothing for 50ms; building instead"},
		"one byte more": {func(s *servers, _ *plane) {
			s.files[folder+"kubectl"] = append(s.files[folder+"kubectl"], "!"...)
		}, all[3:], "and not the published"},
		"another program":     {func(s *servers, _ *plane) { s.files[folder+"kube-apiserver"] = []byte("evil") }, all[1:], "has the SHA-256"},
		"another archive":     {func(s *servers, _ *plane) { s.files[archive] = archived(t, nil) }, all, "has the SHA-256"},
		"no checksum":         {func(s *servers, _ *plane) { delete(s.files, folder+"kubectl.sha256") }, all[3:], "kubectl.sha256: 404 Not Found"},
		"a page for checksum": {func(s *servers, _ *plane) { s.files[folder+"kubectl.sha256"] = []byte("<html>") }, all[3:], "there is no SHA-256 in it"},
		"the checksum of another archive": {func(s *servers, _ *plane) {
			s.files["/etcd/v3.2.1/SHA256SUMS"] = fmt.Appendf(nil, "%x  etcd-v3.2.1-other.tar.gz\n", sha256.Sum256(s.files[archive]))
		}, all, "there is no SHA-256 in it"},
		"an archive without etcd": {func(s *servers, _ *plane) {
			s.files[archive] = archived(t, map[string]string{"etcd-v3.2.1-" + arch + "/etcdctl": "another"})
			s.files["/etcd/v3.2.1/SHA256SUMS"] = fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(s.files[archive]), filepath.Base(archive))
		}, all, "unpack etcd-v3.2.1-"},
		"building is asked for": {func(_ *servers, p *plane) { p.official = nil }, all, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := startServers(t)
			var out bytes.Buffer
			var built []string
			p := newPlane(t, s, &out, &built)
			tt.before(s, p)
			g.Expect(p.provide(t.Context())).To(Succeed())
			g.Expect(built).To(Equal(tt.built))
			g.Expect(out.String()).To(ContainSubstring(tt.says))
			want := map[string]string{}
			for _, program := range all {
				want[program] = "official " + program
			}
			for _, program := range tt.built {
				want[program] = "built " + program
			}
			g.Expect(contents(t, p.folder)).To(Equal(want))
			if p.official == nil {
				g.Expect(s.asked).To(BeEmpty())
			}

			// What is there is kept, and nobody is asked.
			s.asked, built = nil, nil
			g.Expect(p.provide(t.Context())).To(Succeed())
			g.Expect(s.asked).To(BeEmpty())
			g.Expect(built).To(BeNil())
		})
	}
}

func TestAnInterruptedDownloadLeavesNothingAndBuildsNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("official builds are for Linux alone")
	}
	g := NewWithT(t)
	s := startServers(t)
	var built []string
	p := newPlane(t, s, &bytes.Buffer{}, &built)
	ctx, interrupt := context.WithCancel(t.Context())
	file := "/kubernetes/v1.2.3/bin/linux/" + runtime.GOARCH + "/kube-apiserver"
	s.silent[file] = 5
	p.official.client.Transport = onceRead{p.official.client.Transport, file, interrupt}
	g.Expect(p.provide(ctx)).To(MatchError(context.Canceled))
	g.Expect(contents(t, p.folder)).To(Equal(map[string]string{"etcd": "official etcd"}))
	g.Expect(built).To(BeNil())
}

// onceRead calls something as soon as there was something to read at a path.
type onceRead struct {
	http.RoundTripper
	path string
	then func()
}

// RoundTrip implements http.RoundTripper.
func (o onceRead) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Path == o.path {
		response.Body = struct {
			heard
			closer
		}{heard{response.Body, o.then}, closer{response.Body.Close}}
	}
	return response, err
}

type closer struct{ close func() error }

// Close implements io.Closer.
func (c closer) Close() error { return c.close() }

func TestARedirectStaysSecure(t *testing.T) {
	g := NewWithT(t)
	s := startServers(t)
	var plainly int
	insecure := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { plainly++ }))
	t.Cleanup(insecure.Close)
	moved := httptest.NewTLSServer(http.RedirectHandler(insecure.URL, http.StatusFound))
	t.Cleanup(moved.Close)
	o := &official{limit: time.Minute, client: s.Client()}
	o.client.CheckRedirect = staySecure
	_, err := o.checksums(t.Context(), moved.URL)
	g.Expect(err).To(MatchError(ContainSubstring("which is not https")))
	g.Expect(plainly).To(BeZero())
}

func TestAProgramThatIsOlderThanItsPinsIsMadeAgain(t *testing.T) {
	g := NewWithT(t)
	var built []string
	p := newPlane(t, startServers(t), &bytes.Buffer{}, &built)
	p.official = nil
	g.Expect(p.provide(t.Context())).To(Succeed())
	old := time.Now().Add(-2 * time.Hour)
	g.Expect(os.Chtimes(filepath.Join(p.folder, "kubectl"), old, old)).To(Succeed())
	built = nil
	g.Expect(p.provide(t.Context())).To(Succeed())
	g.Expect(built).To(Equal([]string{"kubectl"}))
}

func TestPinned(t *testing.T) {
	g := NewWithT(t)
	versions, err := pinned(t.Context(), "modules")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(versions).To(And(HaveKeyWithValue(kubernetesModule, HavePrefix("v1.")), HaveKeyWithValue(etcdModule, HavePrefix("v3."))))
	p := &plane{versions: map[string]string{kubernetesModule: "v1.36.3"}}
	g.Expect(p.linkerFlags()).To(Equal("-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 " +
		"-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"))
}

func TestBuiltCountsPackages(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	p := &plane{progress: &progress{out: &out, live: true, width: 80}}
	line := p.built(4)
	for _, printed := range []string{"go: downloading k8s.io/api v0.1.0", "k8s.io/api/core/v1", "# k8s.io/api/apps/v1", "a.go:1:2: no such thing", "k8s.io/x", "k8s.io/y", "k8s.io/z"} {
		line(printed)
	}
	shown := strings.Split(strings.ReplaceAll(out.String(), "\x1b[K", ""), "\r")
	g.Expect(shown[0]).To(BeEmpty())
	g.Expect(out.String()).To(ContainSubstring("controlplane: a.go:1:2: no such thing\n"))
	g.Expect(shown[len(shown)-1]).To(Equal("building [########################] 4 of 4 packages  k8s.io/z"))
}

func TestProgressWhereNoTerminalIs(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	p := &plane{progress: &progress{out: &out}}
	line := p.built(20)
	for range 20 {
		line("k8s.io/api/core/v1")
	}
	g.Expect(strings.Count(out.String(), "\n")).To(Equal(10))
	g.Expect(out.String()).To(And(HavePrefix("controlplane: built 2 of 20 packages\n"), Not(ContainSubstring("\x1b"))))
}
