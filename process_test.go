// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/platform"
)

func TestTheManagerServesWorksAndEnds(t *testing.T) {
	g := NewWithT(t)
	first := launch(t, "--leader-elect", "--leader-elect-retry-period=1s", "--zap-log-level=10")
	for _, path := range []string{"/healthz", "/readyz"} {
		g.Eventually(status(t, "http://"+first.health+path, "")).WithTimeout(soon).Should(Equal(http.StatusOK), path)
	}
	edge := newEdge(t)
	awaitReady(t, edge)
	leader := holder(t)
	g.Expect(leader).NotTo(BeEmpty())

	metrics := "https://" + first.metrics + "/metrics"
	reader, stranger := account(t, "reader", "edge-registry-metrics-reader"), account(t, "stranger", "")
	g.Eventually(status(t, metrics, reader.BearerToken)).WithTimeout(soon).Should(Equal(http.StatusOK))
	_, body := fetch(t, metrics, reader.BearerToken)
	g.Expect(body).To(ContainSubstring(`controller_runtime_reconcile_total{controller="edgeregistry"`))
	// What config/prometheus takes for the sign that the operator works.
	g.Expect(body).To(ContainSubstring(`leader_election_master_status{name="edge-registry-operator"} 1`))
	g.Expect(body).To(MatchRegexp(`edge_registry_build_info\{go_version="go[^"]+",version="dev"\} 1`))
	g.Expect(body).To(ContainSubstring("\ngo_gc_gogc_percent 40\n"))
	g.Expect(status(t, metrics, "")()).To(Equal(http.StatusUnauthorized))
	g.Expect(status(t, metrics, "no-token")()).To(Equal(http.StatusUnauthorized))
	g.Expect(status(t, metrics, stranger.BearerToken)()).To(Equal(http.StatusForbidden))
	plain, _ := fetch(t, strings.Replace(metrics, "https", "http", 1), reader.BearerToken)
	g.Expect(plain).NotTo(Equal(http.StatusOK))

	// A second replica waits for the first, and takes over as soon as it ends.
	second := launch(t, "--leader-elect", "--leader-elect-retry-period=1s")
	g.Eventually(status(t, "http://"+second.health+"/readyz", "")).WithTimeout(soon).Should(Equal(http.StatusOK))
	g.Expect(holder(t)).To(Equal(leader))
	g.Eventually(func() string {
		_, body := fetch(t, "https://"+second.metrics+"/metrics", reader.BearerToken)
		return body
	}).WithTimeout(soon).Should(And(ContainSubstring("edge_registry_build_info"), Not(ContainSubstring("edge_registry_ready"))),
		"only the leader speaks of EdgeRegistries")
	before, published := auditEnd(t), tokens(t, edge)
	g.Expect(first.stop(t)).To(BeZero())
	g.Eventually(func() string { return holder(t) }).WithTimeout(soon).ShouldNot(Or(Equal(leader), BeEmpty()))
	g.Eventually(func() string {
		_, body := fetch(t, "https://"+second.metrics+"/metrics", reader.BearerToken)
		return body
	}).WithTimeout(soon).Should(MatchRegexp(`controller_runtime_reconcile_total\{controller="edgeregistry",result="requeue_after"\} [1-9]`))
	g.Expect(writesSince(t, before)).To(BeEmpty(), "it finds everything as it should be")
	g.Expect(tokens(t, edge)).To(Equal(published))
	g.Expect(second.stop(t)).To(BeZero())
	g.Expect(holder(t)).To(BeEmpty(), "the lease is given up")

	// At the most talkative level, with a whole installation behind it.
	for _, text := range []string{first.output.String(), second.output.String(), body} {
		g.Expect(text).NotTo(BeEmpty())
		g.Expect(strings.Contains(text, "eyJ")).To(BeFalse(), "what every token begins with shows in the output")
		for _, token := range published {
			for _, part := range append(strings.Split(token, ".")[1:], token) {
				g.Expect(strings.Contains(text, part)).To(BeFalse(), "a token shows in the output")
			}
		}
	}
}

// TestMetricsTakeACertificateThatComesLate replaces the certificate as the kubelet does in a volume: by one rename.
func TestMetricsTakeACertificateThatComesLate(t *testing.T) {
	g := NewWithT(t)
	const name = "edge-registry-controller-manager-metrics.edge-registry-system.svc"
	folder := t.TempDir()
	m := launch(t, "--leader-elect=false", "--metrics-cert-path="+folder)
	servedBy := func(roots *x509.CertPool) error {
		config := &tls.Config{RootCAs: roots, ServerName: name, InsecureSkipVerify: roots == nil, MinVersion: tls.VersionTLS12}
		connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", m.metrics)
		if err != nil {
			return err
		}
		return connection.Close()
	}
	first, second := platform.NewCA("first"), platform.NewCA("second")
	g.Eventually(func() error { return servedBy(nil) }).WithTimeout(soon).Should(Succeed(), "with its own at first")
	g.Expect(servedBy(pool(first))).NotTo(Succeed())
	for i, ca := range []*platform.CA{first, second} {
		version := filepath.Join(folder, strconv.Itoa(i))
		g.Expect(os.Mkdir(version, 0o700)).To(Succeed())
		writePair(t, version, ca.Leaf(name))
		g.Expect(os.Symlink(version, version+".new")).To(Succeed())
		g.Expect(os.Rename(version+".new", filepath.Join(folder, "..data"))).To(Succeed())
		for _, file := range []string{"tls.crt", "tls.key"} {
			_ = os.Symlink(filepath.Join("..data", file), filepath.Join(folder, file))
		}
		g.Expect(servedBy(pool(ca))).To(Succeed())
	}
	g.Expect(servedBy(pool(first))).NotTo(Succeed())
	g.Expect(m.stop(t)).To(BeZero())
}

func pool(ca *platform.CA) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	return roots
}

// writePair writes a certificate and its key as the service CA does.
func writePair(t *testing.T, folder string, leaf tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for file, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: leaf.Certificate[0]},
		"tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		NewWithT(t).Expect(os.WriteFile(filepath.Join(folder, file), pem.EncodeToMemory(block), 0o600)).To(Succeed())
	}
}

func TestAMistakeInTheCommandIsToldInOneLine(t *testing.T) {
	garbage := t.TempDir() + "/kubeconfig"
	NewWithT(t).Expect(os.WriteFile(garbage, []byte("no kubeconfig"), 0o600)).To(Succeed())
	tests := map[string]struct {
		flags   []string
		message string
	}{
		"an unknown flag":           {[]string{"--no-such-flag"}, "flag provided but not defined: -no-such-flag"},
		"a number that is none":     {[]string{"--max-concurrent-reconciles=many"}, `invalid value "many" for flag -max-concurrent-reconciles`},
		"no workers":                {[]string{"--namespace=x", "--kubeconfig=" + kubeconfig, "--max-concurrent-reconciles=0"}, "--max-concurrent-reconciles"},
		"a duration that is none":   {[]string{"--leader-elect-lease-duration=long"}, `invalid value "long" for flag -leader-elect-lease-duration`},
		"no namespace":              {[]string{"--kubeconfig=" + kubeconfig}, "the operator's own namespace is unknown: set --namespace or POD_NAMESPACE"},
		"no kubeconfig":             {[]string{"--namespace=x", "--kubeconfig=/no/such/file"}, "/no/such/file"},
		"a kubeconfig that is none": {[]string{"--namespace=x", "--kubeconfig=" + garbage}, "find the cluster"},
		"a lease that cannot be":    {[]string{"--namespace=x", "--kubeconfig=" + kubeconfig, "--leader-elect", "--leader-elect-lease-duration=1s"}, "--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline"},
		"an address that is none":   {[]string{"--namespace=x", "--kubeconfig=" + kubeconfig, "--health-probe-bind-address=nowhere"}, "nowhere"},
		"an argument":               {[]string{"--namespace=x", "--kubeconfig=" + kubeconfig, "extra"}, `unexpected argument "extra"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			flags := append([]string{"--metrics-bind-address=0"}, test.flags...)
			if !strings.Contains(strings.Join(flags, " "), "probe") {
				flags = append([]string{"--health-probe-bind-address=0"}, flags...)
			}
			cmd := exec.CommandContext(t.Context(), binary, flags...)
			cmd.Env = append(os.Environ(), "POD_NAMESPACE=", "KUBECONFIG=", "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			g.Expect(err).To(HaveOccurred())
			g.Expect(cmd.ProcessState.ExitCode()).To(BeNumerically(">", 0))
			g.Expect(string(out)).To(ContainSubstring(test.message))
			g.Expect(strings.TrimSpace(string(out))).NotTo(ContainSubstring("\n"))
		})
	}
}

func TestAnOutageOfTheAPIServerIsSurvived(t *testing.T) {
	g := NewWithT(t)
	m := launch(t, "--leader-elect=false")
	edge := newEdge(t)
	awaitReady(t, edge)
	before := tokens(t, edge)
	g.Expect(control.StopAPIServer(t.Context())).To(Succeed())
	// One that starts meanwhile has nothing to work with, and waits for the API server too.
	late := launch(t, "--leader-elect=false")
	g.Eventually(status(t, "http://"+late.health+"/healthz", "")).WithTimeout(soon).Should(Equal(http.StatusOK))
	g.Expect(status(t, "http://"+m.health+"/healthz", "")()).To(Equal(http.StatusOK))
	g.Expect(control.StartAPIServer(t.Context())).To(Succeed())
	for _, process := range []*manager{m, late} {
		g.Expect(process.exited).NotTo(BeClosed(), "it stays up")
	}
	g.Expect(m.stop(t)).To(BeZero())
	g.Expect(m.output.String()).To(ContainSubstring(`"reason":"Ready"`), "events are in the log")
	next := newEdge(t)
	awaitReady(t, next)
	g.Expect(tokens(t, edge)).To(Equal(before))
	g.Expect(late.stop(t)).To(BeZero())
	g.Expect(late.output.String()).To(And(ContainSubstring(`"level":"error"`), Not(ContainSubstring("stacktrace"))), "an error is one line")
}
