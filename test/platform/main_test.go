// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	projectv1 "github.com/openshift/api/project/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	startTimeout = 5 * time.Minute
	soon         = 30 * time.Second
	often        = 20 * time.Millisecond
)

var (
	control   *env.Env
	openShift *platform.Platform
	admin     client.Client
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	logf.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var err error
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = control.Stop() }()
	admin = control.Client()
	if openShift, err = platform.Start(ctx, platform.Options{Env: control}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	openShift.Stop()
	if left := leftovers(); left != "" {
		fmt.Fprintln(os.Stderr, "Stop left behind:", left)
		return 1
	}
	return code
}

// leftovers is what a stopped platform must not leave: a goroutine, a listener,
// a registered API.
func leftovers() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "/test/platform.") {
			return stack
		}
	}
	if conn, err := net.Dial("tcp", openShift.ProxyURL().Host); err == nil {
		_ = conn.Close()
		return "the proxy"
	}
	registered := &apiregistrationv1.APIServiceList{}
	if err := admin.List(context.Background(), registered); err != nil {
		return err.Error()
	}
	for _, service := range registered.Items {
		if service.Spec.Group == projectv1.GroupName {
			return service.Name
		}
	}
	return ""
}

// newProject makes a namespace that ends with the test.
func newProject(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plant-"}}
	NewWithT(t).Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), namespace) })
	return namespace.Name
}

// newAccount makes a ServiceAccount that holds the ClusterRole in the project
// and returns a token of it, with the Secret that the token is bound to.
func newAccount(t *testing.T, project, role string) (credential.Token, *corev1.Secret) {
	t.Helper()
	g := NewWithT(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{GenerateName: "account-", Namespace: project}}
	g.Expect(admin.Create(t.Context(), account)).To(Succeed())
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name, Namespace: project},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: project}},
	}
	g.Expect(admin.Create(t.Context(), binding)).To(Succeed())
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: account.Name, Namespace: project}}
	g.Expect(admin.Create(t.Context(), bound)).To(Succeed())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID,
		},
	}}
	g.Expect(admin.SubResource("token").Create(t.Context(), account, request)).To(Succeed())
	return credential.NewToken(request.Status.Token), bound
}

// expose turns the default route on and waits until the router serves it.
func expose(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(patchConfig(t, `{"spec":{"defaultRoute":true,"managementState":"Managed"}}`)).To(Succeed())
	g.Eventually(func() (int, error) {
		answer, err := ask(t, request{path: "/v2/"})
		return answer.status, err
	}).WithTimeout(soon).WithPolling(often).Should(Equal(http.StatusUnauthorized))
}

type request struct {
	method string
	host   string
	path   string
	bearer string
	login  string // password of a basic login
	user   string // of that login; "x" when empty
}

type answer struct {
	status int
	header http.Header
	body   string
	peer   []*x509.Certificate
}

// ask sends one request through the router, trusting its current CA.
func ask(t *testing.T, r request) (answer, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(openShift.Router.CA().Certificate())
	return askTrusting(t, roots, r)
}

func askTrusting(t *testing.T, roots *x509.CertPool, r request) (answer, error) {
	t.Helper()
	transport := &http.Transport{
		DialContext:     openShift.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	defer transport.CloseIdleConnections()
	if r.host == "" {
		r.host = openShift.Host()
	}
	target := r.path
	if !strings.HasPrefix(target, "https://") {
		target = "https://" + r.host + r.path
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, target, nil)
	if err != nil {
		return answer{}, err
	}
	switch {
	case r.bearer != "":
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	case r.login != "":
		req.SetBasicAuth(cmp.Or(r.user, "x"), r.login)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body), peer: resp.TLS.PeerCertificates}, err
}
