// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

// official is where the official builds are, and how they are fetched.
//
//   - Kubernetes publishes each program as KUBERNETES/VERSION/bin/OS/ARCH/NAME, and its SHA-256 beside it as NAME.sha256
//     (https://kubernetes.io/releases/download/).
//   - etcd publishes archives as ETCD/VERSION/etcd-VERSION-OS-ARCH.tar.gz, and in SHA256SUMS beside them those of all
//     (https://github.com/etcd-io/etcd/releases).
type official struct {
	kubernetes, etcd string
	// limit is how long a server may say nothing, before its answer or within it.
	limit  time.Duration
	client *http.Client
}

const (
	maxChecksums = 1 << 20 // bytes of a file of checksums
	maxRedirects = 10
)

// staySecure follows redirects, as the servers of the official builds send them, but none from https to http.
func staySecure(to *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return fmt.Errorf("redirected to %s, which is not https", to.URL.Host)
	}
	return nil
}

// download puts the official builds of programs into the folder, each after its checksum was found right.
func (p *plane) download(ctx context.Context, missing []program) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("there are none for %s", runtime.GOOS) // Kubernetes publishes servers for Linux alone.
	}
	for _, program := range missing {
		fetch := p.downloadKubernetes
		if program.pkg == etcdModule {
			fetch = p.downloadEtcd
		}
		if err := fetch(ctx, program.name); err != nil {
			return err
		}
		p.progress.say("%s: downloaded, and its SHA-256 is the published one", program.name)
	}
	return nil
}

func (p *plane) downloadKubernetes(ctx context.Context, name string) error {
	from := fmt.Sprintf("%s/%s/bin/%s/%s/%s", p.official.kubernetes, p.versions[kubernetesModule], runtime.GOOS, runtime.GOARCH, name)
	sums, err := p.official.checksums(ctx, from+".sha256")
	if err != nil {
		return err
	}
	want, err := checksum(sums, "")
	if err != nil {
		return fmt.Errorf("%s.sha256: %w", from, err)
	}
	return p.place(name, func(to io.Writer) error { return p.fetch(ctx, name, from, want, to) })
}

func (p *plane) downloadEtcd(ctx context.Context, name string) error {
	version := p.versions[etcdModule]
	release := fmt.Sprintf("etcd-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH)
	folder := p.official.etcd + "/" + version
	sums, err := p.official.checksums(ctx, folder+"/SHA256SUMS")
	if err != nil {
		return err
	}
	want, err := checksum(sums, release+".tar.gz")
	if err != nil {
		return fmt.Errorf("%s/SHA256SUMS: %w", folder, err)
	}
	archive, err := os.CreateTemp(p.folder, "."+name+".tar.*")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := p.fetch(ctx, name, folder+"/"+release+".tar.gz", want, archive); err != nil {
		return err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return p.place(name, func(to io.Writer) error { return unpack(archive, path.Join(release, name), to) })
}

// fetch writes what is at an address, and fails unless its SHA-256 is the one that is wanted.
func (p *plane) fetch(ctx context.Context, name, from string, want []byte, to io.Writer) error {
	defer p.progress.end()
	sum := sha256.New()
	err := p.official.get(ctx, from, func(body io.Reader, size int64) error {
		_, err := io.Copy(io.MultiWriter(to, sum), p.progress.read(body, name, size))
		return err
	})
	if err != nil {
		return err
	}
	if got := sum.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("%s has the SHA-256 %x and not the published %x", from, got, want)
	}
	return nil
}

// checksums is a small file with checksums.
func (o *official) checksums(ctx context.Context, from string) (content []byte, err error) {
	err = o.get(ctx, from, func(body io.Reader, _ int64) (err error) {
		content, err = io.ReadAll(io.LimitReader(body, maxChecksums))
		return err
	})
	return content, err
}

// get reads what is at an address, and gives up as soon as the server says nothing for too long. The size is -1 where the
// server does not say it.
func (o *official) get(ctx context.Context, from string, read func(body io.Reader, size int64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(o.limit, func() { cancel(fmt.Errorf("nothing for %s", o.limit)) })
	defer silence.Stop()
	err := func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
		if err != nil {
			return err
		}
		response, err := o.client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return read(heard{response.Body, func() { silence.Reset(o.limit) }}, response.ContentLength)
	}()
	if err == nil {
		return nil
	}
	if of := (*url.Error)(nil); errors.As(err, &of) {
		err = of.Err // What was asked for is said below.
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("get %s: %w", from, err)
}

// heard calls something whenever there was something to read.
type heard struct {
	io.Reader
	then func()
}

// Read implements io.Reader.
func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.then()
	}
	return n, err
}

// checksum finds the SHA-256 of a file in lines of `SUM  NAME`, or that of a file of one line without a name.
func checksum(lines []byte, name string) ([]byte, error) {
	for scanner := bufio.NewScanner(bytes.NewReader(lines)); scanner.Scan(); {
		sum, of, _ := strings.Cut(strings.TrimSpace(scanner.Text()), " ")
		if strings.TrimLeft(of, " *") != name {
			continue
		}
		if decoded, err := hex.DecodeString(sum); err == nil && len(decoded) == sha256.Size {
			return decoded, nil
		}
	}
	return nil, errors.New("there is no SHA-256 in it")
}

// unpack writes one file of a compressed archive.
func unpack(archive io.Reader, name string, to io.Writer) error {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	files := tar.NewReader(unzipped)
	for {
		header, err := files.Next()
		if err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		if path.Clean(header.Name) == name && header.Typeflag == tar.TypeReg {
			_, err := io.Copy(to, files)
			return err
		}
	}
}
