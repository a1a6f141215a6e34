// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const (
	unauthorized = `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":%s}]}`
	accessDenied = `Basic realm=openshift,error="access denied"`

	uploadInvalid = `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":{}}]}`
	uploadUnknown = `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}`
	// neverBegun is the id of no upload.
	neverBegun = "00000000-0000-0000-0000-000000000000"
	// emptyDigest is that of no bytes at all.
	emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// refused is the body of a refusal that lists what the request wanted.
func refused(detail string) string { return strings.Replace(unauthorized, "%s", detail, 1) }

func onRepository(name string, actions ...string) string {
	var list []string
	for _, action := range actions {
		list = append(list, `{"Type":"repository","Class":"","Name":"`+name+`","Action":"`+action+`"}`)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// recorded is an answer that the real registry was seen to give.
type recorded struct {
	request   request
	status    int
	challenge string
	body      string
	plain     bool // an answer outside /v2/
}

func loginAnswers(publisher string) map[string]recorded {
	token := func(text string) string { return `{"access_token":"` + text + `","token":"` + text + `"}` }
	return map[string]recorded{
		"a request without credentials is challenged for a token of the same host": {
			request: request{path: "/v2/"}, status: 401,
			challenge: `Bearer realm="https://` + openShift.Host() + `/openshift/token"`, body: refused("null"),
		},
		"the token endpoint gives the password of a login back": {
			request: request{path: "/openshift/token?account=p&service=&scope=repository%3Aplant%2Fprobe%3Apull%2Cpush", login: publisher},
			status:  200, body: token(publisher), plain: true,
		},
		"the token endpoint asks neither who logs in nor for whom": {
			request: request{path: "/openshift/token?account=a.plant&service=&scope=repository%3Aplant%2Fprobe%3Apull", user: "b.plant", login: publisher},
			status:  200, body: token(publisher), plain: true,
		},
		"a login needs no name that the cluster knows": {
			request: request{path: "/v2/", user: "edge-publisher.plant", login: publisher}, status: 200, body: "{}",
		},
		"the token endpoint refuses a password that is no token": {
			request: request{path: "/openshift/token", login: "garbage"}, status: 401, plain: true,
		},
		"the token endpoint gives an anonymous token to who shows no credentials": {
			request: request{path: "/openshift/token"}, status: 200, body: token("anonymous"), plain: true,
		},
		"the token endpoint wants a login": {
			request: request{path: "/openshift/token", bearer: publisher}, status: 401, plain: true,
		},
		"a login with the token as password works without the token endpoint": {
			request: request{path: "/v2/", login: publisher}, status: 200, body: "{}",
		},
		"the token works": {
			request: request{path: "/v2/", bearer: publisher}, status: 200, body: "{}",
		},
		"the anonymous token passes a login": {
			request: request{path: "/v2/", bearer: "anonymous"}, status: 200, body: "{}",
		},
		"a garbage token is refused": {
			request: request{path: "/v2/", bearer: "garbage"}, status: 401, challenge: accessDenied, body: refused("null"),
		},
		"the catalog is refused": {
			request: request{path: "/v2/_catalog", bearer: publisher}, status: 401,
			challenge: accessDenied, body: refused(`[{"Type":"registry","Class":"","Name":"catalog","Action":"*"}]`),
		},
	}
}

func repositoryAnswers(publisher, puller, project, other string) map[string]recorded {
	repository := project + "/probe"
	unknown := `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"` + repository + `"}}]}`
	return map[string]recorded{
		"the anonymous token opens no repository": {
			request: request{path: "/v2/" + repository + "/tags/list", bearer: "anonymous"}, status: 401,
			challenge: accessDenied, body: refused(onRepository(repository, "pull")),
		},
		"the publisher meets an unknown repository": {
			request: request{path: "/v2/" + repository + "/tags/list", bearer: publisher}, status: 404, body: unknown,
		},
		"the puller meets an unknown repository": {
			request: request{path: "/v2/" + repository + "/tags/list", bearer: puller}, status: 404, body: unknown,
		},
		"another project's repository is refused": {
			request: request{path: "/v2/" + other + "/probe/tags/list", bearer: puller}, status: 401,
			challenge: accessDenied, body: refused(onRepository(other+"/probe", "pull")),
		},
		"the puller may not begin an upload": {
			request: request{method: http.MethodPost, path: "/v2/" + repository + "/blobs/uploads/", bearer: puller}, status: 401,
			challenge: accessDenied, body: refused(onRepository(repository, "pull", "push")),
		},
		"the puller may not continue an upload, even one that was never begun": {
			request: request{method: http.MethodPatch, path: "/v2/" + repository + "/blobs/uploads/" + neverBegun, bearer: puller}, status: 401,
			challenge: accessDenied, body: refused(onRepository(repository, "pull", "push")),
		},
		"the puller may not continue an upload without an id": {
			request: request{method: http.MethodPatch, path: "/v2/" + repository + "/blobs/uploads/", bearer: puller}, status: 401,
			challenge: accessDenied, body: refused(onRepository(repository, "pull", "push")),
		},
		"the publisher may not delete an upload": {
			request: request{method: http.MethodDelete, path: "/v2/" + repository + "/blobs/uploads/" + neverBegun, bearer: publisher}, status: 401,
			challenge: accessDenied, body: refused(onRepository(repository, "delete")),
		},
		"a repository of three elements is a bad request": {
			request: request{path: "/v2/" + repository + "/deeper/tags/list", bearer: publisher}, status: 400, body: "",
		},
	}
}

func TestRegistryAnswersAsRecorded(t *testing.T) {
	expose(t)
	project, other := newProject(t), newProject(t)
	publisher, _ := newAccount(t, project, "edit")
	puller, _ := newAccount(t, project, "system:image-puller")
	answers := loginAnswers(publisher.Reveal())
	maps.Copy(answers, repositoryAnswers(publisher.Reveal(), puller.Reveal(), project, other))
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := ask(t, c.request)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.status).To(Equal(c.status))
			g.Expect(got.header.Get("Docker-Distribution-Api-Version")).To(Equal("registry/2.0"))
			g.Expect(got.header.Get("Www-Authenticate")).To(Equal(c.challenge))
			signatures := "1"
			if c.plain {
				signatures = ""
			}
			g.Expect(got.header.Get("X-Registry-Supports-Signatures")).To(Equal(signatures))
			if c.status != http.StatusBadRequest {
				g.Expect(got.header.Get("Content-Type")).To(Equal("application/json"))
			}
			// The body may hold a token, so a mismatch must not print it.
			g.Expect(strings.TrimSpace(got.body) == c.body).To(BeTrue(), "the body is not the recorded one")
		})
	}
}

func TestAnUploadIsCountedUntilItIsFinished(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	project := newProject(t)
	token, _ := newAccount(t, project, "edit")
	before := openShift.Registry.Uploads()

	begun, err := ask(t, request{method: http.MethodPost, path: "/v2/" + project + "/probe/blobs/uploads/", bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(begun.status).To(Equal(http.StatusAccepted))
	g.Expect(begun.header.Get("Range")).To(Equal("0-0"))
	location := begun.header.Get("Location")
	g.Expect(location).To(MatchRegexp(`^https://` + regexp.QuoteMeta(openShift.Host()) + `/v2/` + project + `/probe/blobs/uploads/[0-9a-f-]{36}\?_state=.+$`))
	g.Expect(begun.body).To(BeEmpty())
	g.Expect(openShift.Registry.Uploads()).To(Equal(before + 1))

	denied, err := ask(t, request{method: http.MethodDelete, path: location, bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(denied.status).To(Equal(http.StatusUnauthorized))
	g.Expect(strings.TrimSpace(denied.body)).To(Equal(refused(onRepository(project+"/probe", "delete"))))
	g.Expect(openShift.Registry.Uploads()).To(Equal(before+1), "who may not delete images may not cancel an upload")

	mangled, err := ask(t, request{method: http.MethodPut, path: location + "x&digest=" + emptyDigest, bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mangled.status).To(Equal(http.StatusNotFound))
	g.Expect(strings.TrimSpace(mangled.body)).To(Equal(uploadInvalid))
	g.Expect(openShift.Registry.Uploads()).To(Equal(before + 1))

	finished, err := ask(t, request{method: http.MethodPut, path: location + "&digest=" + emptyDigest, bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(finished.status).To(Equal(http.StatusCreated))
	g.Expect(openShift.Registry.Uploads()).To(Equal(before))

	again, err := ask(t, request{method: http.MethodPatch, path: location, bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.status).To(Equal(http.StatusNotFound))
	g.Expect(again.body).To(ContainSubstring("BLOB_UPLOAD_UNKNOWN"))
}

func TestWhoMayDeleteImagesMayCancelAnUpload(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	project := newProject(t)
	token, account := newAccount(t, project, "edit")
	g.Expect(admin.Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: project},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"image.openshift.io"}, Resources: []string{"images"}, Verbs: []string{"delete"}}},
	})).To(Succeed())
	g.Expect(admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: project},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: project},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: project}},
	})).To(Succeed())
	before := openShift.Registry.Uploads()
	begun, err := ask(t, request{method: http.MethodPost, path: "/v2/" + project + "/probe/blobs/uploads/", bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(openShift.Registry.Uploads()).To(Equal(before + 1))
	g.Eventually(func() (int, error) {
		cancelled, err := ask(t, request{method: http.MethodDelete, path: begun.header.Get("Location"), bearer: token.Reveal()})
		return cancelled.status, err
	}, soon, often).Should(Equal(http.StatusNoContent))
	g.Expect(openShift.Registry.Uploads()).To(Equal(before))
}

// The order of these answers is that of docker/distribution
// (registry/handlers/blobupload.go): a registry that takes no pushes says so only
// where no upload is named, and to those only who may push.
func TestUploadsThatWereNeverBegunAreMissedByWhoMayPush(t *testing.T) {
	expose(t)
	project := newProject(t)
	token, _ := newAccount(t, project, "edit")
	reader, _ := newAccount(t, project, "system:image-puller")
	uploads := "/v2/" + project + "/probe/blobs/uploads/"
	for name, c := range map[string]struct {
		path     string
		bearer   credential.Token
		readOnly bool
		status   int
		body     string
	}{
		"an invented id":                        {uploads + neverBegun, token, false, http.StatusNotFound, uploadInvalid},
		"an invented id while it is read-only":  {uploads + neverBegun, token, true, http.StatusNotFound, uploadInvalid},
		"no id":                                 {uploads, token, false, http.StatusNotFound, uploadUnknown},
		"no id while it is read-only":           {uploads, token, true, http.StatusMethodNotAllowed, "Method not allowed"},
		"no id, of who may not push":            {uploads, reader, false, http.StatusUnauthorized, `"UNAUTHORIZED"`},
		"no id while it is read-only, likewise": {uploads, reader, true, http.StatusUnauthorized, `"UNAUTHORIZED"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			openShift.Registry.ReadOnly(c.readOnly)
			defer openShift.Registry.ReadOnly(false)
			before := openShift.Registry.Uploads()
			got, err := ask(t, request{method: http.MethodPatch, path: c.path, bearer: c.bearer.Reveal()})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.status).To(Equal(c.status))
			g.Expect(got.body).To(ContainSubstring(c.body))
			g.Expect(openShift.Registry.Uploads()).To(Equal(before))
		})
	}
}

func TestFailAnswersEverythingWithTheStatus(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	openShift.Registry.Fail(http.StatusServiceUnavailable)
	defer openShift.Registry.Fail(0)
	got, err := ask(t, request{path: "/v2/"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.status).To(Equal(http.StatusServiceUnavailable))
}

func TestRequestsListMethodPathAndStatus(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	_, err := ask(t, request{path: "/v2/a/b/tags/list?n=1", bearer: "garbage"})
	g.Expect(err).NotTo(HaveOccurred())
	requests := openShift.Registry.Requests()
	last := requests[len(requests)-1]
	g.Expect(last.Method + " " + last.Path).To(Equal("GET /v2/a/b/tags/list"))
	g.Expect(last.Status).To(Equal(http.StatusUnauthorized))
}
