// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	client "github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// live is an account that questions are put to, with all that was made for them.
type live struct {
	*client.Client
	http                       *http.Client
	account, region, namespace string
	// patience is how long what is new may take to count.
	patience time.Duration
}

// newLive is the account of IBMCLOUD_API_KEY in IBMCLOUD_REGION, us-south without it, and its registry namespace
// IBMCLOUD_NAMESPACE, in which nothing is stored. Without a key it is that of a stand-in, so that the questions are seen to be
// asked.
func newLive(t *testing.T) *live {
	t.Helper()
	g := NewWithT(t)
	if key := os.Getenv("IBMCLOUD_API_KEY"); key != "" {
		l := &live{http: http.DefaultClient, region: cmp.Or(os.Getenv("IBMCLOUD_REGION"), "us-south"), namespace: os.Getenv("IBMCLOUD_NAMESPACE"), patience: 10 * time.Minute}
		l.Client = client.New(client.Config{Endpoints: client.EndpointsOf(l.region, false), Key: credential.NewToken(key)})
		account, err := l.Account(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		l.account = account.ID
		return l
	}
	const account = "accplant"
	cloud := New(Options{Delays: &Delays{}})
	t.Cleanup(cloud.Close)
	cloud.AddAccount(account, AccountOptions{})
	key := cloud.AddServiceID(account, "operator", cloud.MayCreateNamespaces(account, "us-south")...)
	l := &live{http: clientOf(t, cloud), account: account, region: "us-south", namespace: "plant-images", patience: 10 * time.Second}
	l.Client = client.New(client.Config{HTTP: l.http, Endpoints: client.EndpointsOf(l.region, false), Key: credential.NewToken(key.Value())})
	_, err := l.CreateNamespace(t.Context(), account, l.namespace, "")
	g.Expect(err).NotTo(HaveOccurred())
	return l
}

// answered is what came of a call, without anything secret.
func answered(err error) string {
	var failure *client.Error
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &failure):
		return fmt.Sprintf("%s, status %d, code %q", failure.Kind, failure.Status, failure.Code)
	default:
		return "no answer"
	}
}

// TestWhatOnlyALiveAccountCanTell asks what IBM's documents leave open, and prints the answers (go test -v). It makes two
// service IDs, and deletes them.
func TestWhatOnlyALiveAccountCanTell(t *testing.T) {
	g := NewWithT(t)
	l := newLive(t)
	tell := func(question, answer string) { t.Logf("%s: %s", question, answer) }

	reader, value := l.identity(t, "reader", "Reader"), credential.NewToken(rand.Text()+rand.Text())
	made, err := l.CreateKey(t.Context(), client.NewKey{Name: "question", IAMID: reader.IAMID, AccountID: l.account, Value: value})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = l.CreateKey(t.Context(), client.NewKey{Name: "question", IAMID: reader.IAMID, AccountID: l.account, Value: value})
	tell("a second key of the same value", answered(err))
	g.Expect(err).To(HaveOccurred(), "two keys of one value would be one that nobody knows")
	g.Eventually(func() error { return second(l.DescribeKey(t.Context(), value)) }).WithTimeout(l.patience).WithPolling(time.Second).Should(Succeed())

	if l.namespace != "" {
		tell("a repository that does not exist, to a Reader", l.ask(t, value, http.MethodGet, "tags/list"))
		tell("an upload that was never begun, to a Reader", l.ask(t, value, http.MethodPatch, "blobs/uploads/"+rand.Text()))
		writer, other := l.identity(t, "writer", "Reader", "Writer"), credential.NewToken(rand.Text()+rand.Text())
		_, err = l.CreateKey(t.Context(), client.NewKey{Name: "question", IAMID: writer.IAMID, AccountID: l.account, Value: other})
		g.Expect(err).NotTo(HaveOccurred())
		g.Eventually(func() error { return second(l.DescribeKey(t.Context(), other)) }).WithTimeout(l.patience).WithPolling(time.Second).Should(Succeed())
		tell("an upload that was never begun, to a Writer", l.ask(t, other, http.MethodPatch, "blobs/uploads/"+rand.Text()))
	}
	activity, err := l.KeyActivity(t.Context(), made.ID)
	tell("the last use of a key that was used a moment ago", fmt.Sprintf("%s, known: %t", answered(err), !activity.LastAuthn.IsZero()))

	g.Expect(l.DisableKey(t.Context(), made.ID)).To(Succeed())
	tell("the details of a disabled key", answered(second(l.DescribeKey(t.Context(), value))))
	tell("a token of IAM for a disabled key", answered(l.Works(t.Context(), value)))
	g.Expect(l.DeleteKey(t.Context(), made.ID)).To(Succeed())
	tell("the details of a deleted key", answered(second(l.DescribeKey(t.Context(), value))))
	tell("a token of IAM for a deleted key", answered(l.Works(t.Context(), value)))
	if l.namespace != "" {
		tell("a login at the registry with a deleted key", l.ask(t, value, http.MethodGet, "tags/list"))
	}
	_, err = l.CreateKey(t.Context(), client.NewKey{Name: "question", IAMID: reader.IAMID, AccountID: l.account, Value: value})
	tell("a key of the value of a deleted one", answered(err))
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }

// identity makes a service ID with roles on the namespace, and deletes it in the end.
func (l *live) identity(t *testing.T, name string, roles ...string) client.ServiceID {
	t.Helper()
	g := NewWithT(t)
	made, err := l.CreateServiceID(t.Context(), client.ServiceID{
		Name: "edge-question-" + name, Description: "made by a test, which deletes it", AccountID: l.account,
	})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		err := l.DeleteServiceID(ctx, made.ID)
		if client.KindOf(err) == client.Exists { // It asks to be asked again.
			err = l.DeleteServiceID(ctx, made.ID)
		}
		if err != nil {
			t.Errorf("service ID %s is left: %v", made.ID, err)
		}
	})
	if l.namespace == "" {
		return made
	}
	known, err := l.Roles(t.Context(), l.account)
	g.Expect(err).NotTo(HaveOccurred())
	policy := client.Policy{Description: made.Description, IAMID: made.IAMID, Resource: map[string]string{
		"accountId": l.account, "serviceName": "container-registry", "region": l.region, "resourceType": "namespace", "resource": l.namespace,
	}}
	for _, role := range roles {
		policy.Roles = append(policy.Roles, known[role])
	}
	g.Eventually(func() error { return second(l.CreatePolicy(t.Context(), policy)) }).WithTimeout(l.patience).WithPolling(time.Second).Should(Succeed())
	return made
}

// ask asks the registry about a repository that nobody made, as a client that has a key does, and returns both answers.
func (l *live) ask(t *testing.T, key credential.Token, method, path string) string {
	t.Helper()
	g := NewWithT(t)
	host, _ := client.HostOf(l.region)
	repository := l.namespace + "/question"
	login := &url.URL{Scheme: "https", Host: host, Path: "/oauth/token", RawQuery: url.Values{
		"service": {"registry"}, "scope": {"repository:" + repository + ":pull,push"},
	}.Encode()}
	send := func(method, address string, authorize func(*http.Request)) (int, []byte) {
		request, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
		g.Expect(err).NotTo(HaveOccurred())
		authorize(request)
		answer, err := l.http.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		g.Expect(err).NotTo(HaveOccurred())
		return answer.StatusCode, body
	}
	status, body := send(http.MethodGet, login.String(), func(r *http.Request) { r.SetBasicAuth("iamapikey", key.Reveal()) })
	var token struct {
		Token string `json:"token"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &token) != nil || token.Token == "" {
		return fmt.Sprintf("no token, status %d, code %q", status, codeOf(body))
	}
	status, body = send(method, "https://"+host+"/v2/"+repository+"/"+path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Token) })
	return fmt.Sprintf("a token, then status %d, code %q", status, codeOf(body))
}

// codeOf is the first error code of an answer of the registry.
func codeOf(body []byte) string {
	var said struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil || len(said.Errors) == 0 {
		return ""
	}
	return said.Errors[0].Code
}
