// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/test/platform"
)

func pool(pem []byte) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

func trusting(pem []byte) *tls.Config {
	return &tls.Config{RootCAs: pool(pem), MinVersion: tls.VersionTLS12}
}

func chainOf(certs ...*x509.Certificate) tls.Certificate {
	var chain tls.Certificate
	for _, cert := range certs {
		chain.Certificate = append(chain.Certificate, cert.Raw)
	}
	return chain
}

// published polls for what default-ingress-cert holds; "absent" without it.
func published(t *testing.T) func() (string, error) {
	return func() (string, error) {
		cm := &corev1.ConfigMap{}
		err := admin.Get(t.Context(), client.ObjectKey{Namespace: platform.ManagedNamespace, Name: "default-ingress-cert"}, cm)
		if apierrors.IsNotFound(err) {
			return "absent", nil
		}
		return cm.Data["ca-bundle.crt"], err
	}
}

func TestTheRouterSendsAndPublishesLeafAndRoot(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	for _, rotate := range []func(){func() {}, openShift.Router.RenewLeaf, func() { openShift.Router.RotateCA() }} {
		rotate()
		got, err := ask(t, request{path: "/v2/"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.peer).To(HaveLen(2))
		leaf, root := got.peer[0], got.peer[1]
		g.Expect(leaf.DNSNames).To(ConsistOf("*.apps.edge.test"))
		g.Expect(root.Subject.CommonName).To(MatchRegexp(`^ingress-operator@[0-9]+$`))
		g.Expect(root.Equal(openShift.Router.CA().Certificate())).To(BeTrue())
		want := platform.ChainPEM(chainOf(leaf, root))
		g.Eventually(published(t)).WithTimeout(soon).WithPolling(often).Should(Equal(string(want)))
	}
}

func TestARotatedCAEndsTrustInTheOldOne(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	old := openShift.Router.CA()
	openShift.Router.RotateCA()
	_, err := askTrusting(t, pool(old.PEM()), request{path: "/v2/"})
	g.Expect(errors.As(err, new(x509.UnknownAuthorityError))).To(BeTrue())
}

func TestTheRouterServesWhatATestGivesIt(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	defer openShift.Router.RotateCA()
	root := platform.NewCA("corporate root")
	issuer := root.Intermediate("corporate issuer")
	host := openShift.Host()

	openShift.Router.SetServing(issuer.Leaf("*.apps.edge.test"))
	got, err := askTrusting(t, pool(root.PEM()), request{path: "/v2/"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.peer).To(HaveLen(2), "leaf and issuer, without the root")
	g.Eventually(published(t)).WithTimeout(soon).WithPolling(often).Should(ContainSubstring(string(issuer.PEM())))

	openShift.Router.SetServing(issuer.Leaf("elsewhere.test"))
	_, err = askTrusting(t, pool(root.PEM()), request{path: "/v2/"})
	g.Expect(errors.As(err, new(x509.HostnameError))).To(BeTrue())

	past := func() time.Time { return time.Now().AddDate(-3, 0, 0) }
	openShift.Router.SetServing(root.At(past).Leaf(host))
	_, err = askTrusting(t, pool(root.PEM()), request{path: "/v2/"})
	var invalid x509.CertificateInvalidError
	g.Expect(errors.As(err, &invalid)).To(BeTrue())
	g.Expect(invalid.Reason).To(Equal(x509.Expired))
}

func TestTheConfigMapHoldsWhatATestPublishes(t *testing.T) {
	g := NewWithT(t)
	leaf := string(platform.NewCA("leaf only").PEM())
	for _, pem := range [][]byte{[]byte(leaf), {}, nil} {
		want := string(pem)
		if pem == nil {
			want = "absent"
		}
		openShift.Router.SetPublished(pem)
		g.Eventually(published(t)).WithTimeout(soon).WithPolling(often).Should(Equal(want))
	}
	openShift.Router.RenewLeaf()
	g.Eventually(published(t)).WithTimeout(soon).WithPolling(often).Should(ContainSubstring("BEGIN CERTIFICATE"))
}

func TestTheRouterAdmitsRejectsAndIgnores(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	defer openShift.Router.Admit()
	status := func() (int, error) {
		got, err := ask(t, request{path: "/v2/"})
		return got.status, err
	}

	openShift.Router.Reject("HostAlreadyClaimed", "route other has the host")
	g.Eventually(func() (corev1.ConditionStatus, error) {
		route, err := getRoute(t, "default-route")
		if err != nil || len(route.Status.Ingress) == 0 {
			return "", err
		}
		c := route.Status.Ingress[0].Conditions[0]
		g.Expect(c.Status == corev1.ConditionTrue || c.Reason == "HostAlreadyClaimed" && c.Message == "route other has the host").To(BeTrue())
		return c.Status, nil
	}).WithTimeout(soon).WithPolling(often).Should(Equal(corev1.ConditionFalse))
	g.Eventually(status).WithTimeout(soon).WithPolling(often).Should(Equal(http.StatusServiceUnavailable))

	openShift.Router.NoIngress()
	g.Eventually(func() (int, error) {
		route, err := getRoute(t, "default-route")
		return len(route.Status.Ingress), err
	}).WithTimeout(soon).WithPolling(often).Should(BeZero())

	openShift.Router.Admit()
	g.Eventually(status).WithTimeout(soon).WithPolling(often).Should(Equal(http.StatusUnauthorized))
}

func TestOneOfTwoRoutersKnowsTheHostAsAnothers(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	defer openShift.Router.Rename()
	defer openShift.Router.Admit()
	openShift.Router.Rename("sharded", "default")
	openShift.Router.Claim("sharded")
	says := func(g Gomega) (words []string) {
		route, err := getRoute(t, "default-route")
		g.Expect(err).NotTo(HaveOccurred())
		for _, entry := range route.Status.Ingress {
			words = append(words, entry.RouterName+" "+string(entry.Conditions[0].Status)+" "+entry.Conditions[0].Reason)
		}
		return words
	}
	g.Eventually(says).WithTimeout(soon).WithPolling(often).Should(Equal([]string{"sharded False HostAlreadyClaimed", "default True "}))
	openShift.Router.Admit()
	g.Eventually(says).WithTimeout(soon).WithPolling(often).Should(Equal([]string{"sharded True ", "default True "}))
}

func TestAHostWithoutARouteIsUnavailable(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	page := "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
	got, err := ask(t, request{host: "other.apps.edge.test", path: "/v2/"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(got.body).To(Equal(page))
	g.Expect(got.header.Get("Content-Type")).To(Equal("text/html"))

	openShift.Router.Unavailable(true)
	defer openShift.Router.Unavailable(false)
	got, err = ask(t, request{path: "/v2/"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(got.body).To(Equal(page))
}

func TestDialingFailsAsANetworkDoes(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	_, err := openShift.DialContext(t.Context(), "tcp", "registry.example.com:443")
	var dns *net.DNSError
	g.Expect(errors.As(err, &dns)).To(BeTrue())
	g.Expect(dns.IsNotFound).To(BeTrue())

	_, err = openShift.DialContext(t.Context(), "tcp", openShift.Host()+":80")
	g.Expect(errors.Is(err, syscall.ECONNREFUSED)).To(BeTrue())

	openShift.Router.RefuseConnections(true)
	_, err = ask(t, request{path: "/v2/"})
	openShift.Router.RefuseConnections(false)
	g.Expect(errors.Is(err, syscall.ECONNREFUSED)).To(BeTrue())
	_, err = ask(t, request{path: "/v2/"})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestTheRoutersServiceAnswersWhereItsHostsAreHidden(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	t.Cleanup(func() { openShift.Router.Hide(false); openShift.Router.Rename() })
	shown := func(name string) error {
		conn, err := openShift.DialContext(t.Context(), "tcp", "router-internal-"+name+".openshift-ingress.svc:443")
		if err != nil {
			return err
		}
		defer conn.Close()
		config := trusting(openShift.Router.CA().PEM())
		config.ServerName = openShift.Host()
		return tls.Client(conn, config).HandshakeContext(t.Context())
	}
	g.Expect(shown("default")).To(Succeed())
	openShift.Router.Hide(true)
	_, err := ask(t, request{path: "/v2/"})
	g.Expect(errors.Is(err, syscall.ECONNREFUSED)).To(BeTrue())
	g.Expect(shown("default")).To(Succeed())
	openShift.Router.Rename("sharded")
	g.Expect(shown("sharded")).To(Succeed())
	g.Expect(errors.As(shown("default"), new(*net.DNSError))).To(BeTrue())
	openShift.Router.RefuseConnections(true)
	err = shown("sharded")
	openShift.Router.RefuseConnections(false)
	g.Expect(errors.Is(err, syscall.ECONNREFUSED)).To(BeTrue())
}

func TestTheProxyReachesWhatTheDialerReaches(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	transport := &http.Transport{
		Proxy:           http.ProxyURL(openShift.ProxyURL()),
		TLSClientConfig: trusting(openShift.Router.CA().PEM()),
	}
	defer transport.CloseIdleConnections()
	get := func(host string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v2/", nil)
		g.Expect(err).NotTo(HaveOccurred())
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	status, err := get(openShift.Host())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusUnauthorized))
	_, err = get("registry.example.com")
	g.Expect(err).To(MatchError("Bad Gateway"))
}
