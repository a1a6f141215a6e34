// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// withSecret is a client that has nothing but what a Secret carries, and the image that it pushes and pulls.
func (j *judge) withSecret(secret *corev1.Secret) (platform.ImageClient, string) {
	token, _ := handoff.Token(secret.Data)
	return platform.ImageClient{Roots: secret.Data[handoff.KeyCA], User: string(secret.Data[handoff.KeyUser]), Token: token},
		string(secret.Data[handoff.KeyImagePrefix]) + "/service:1.0.0"
}

// From nothing to Ready, then with both Secrets as pipelines and nodes use them. What a verification sends leaves nothing.
func TestFromNothingToImages(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		g := NewWithT(t)
		before := j.files(t)
		p := newPlant(t, j)
		p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
		if j.tellsApart {
			p.try("service")
			absent := p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
			g.Expect(absent.Message).To(ContainSubstring("does not exist"))
		}
		g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

		publish, image := j.withSecret(p.published("publish"))
		pull, _ := j.withSecret(p.published("pull"))
		g.Expect(image).To(Equal(j.host + "/plant/edge/service:1.0.0"))
		pushed, err := publish.Push(t.Context(), image)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pull.Pull(t.Context(), image)).To(Equal(pushed))

		before = j.files(t)
		if j.tellsApart {
			_, err = pull.Push(t.Context(), image)
			g.Expect(err).To(MatchError(ContainSubstring("UNAUTHORIZED")))
			// By itself it is looked for a minute later.
			p.try("")
			p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
			p.try("service")
			verified := p.comesTo(edgev1.ReasonVerified, metav1.ConditionTrue)
			g.Expect(verified.Message).To(And(ContainSubstring("is not refused a push"), ContainSubstring("is refused a push")))
		} else {
			p.try("service")
			refused := p.comesTo(edgev1.ReasonPullerCanPush, metav1.ConditionFalse)
			g.Expect(refused.Message).To(ContainSubstring("leave spec.verification.repository out"))
			p.try("")
			p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
		}
		g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

		g.Expect(p.c.Client().Delete(t.Context(), p.edge)).To(Succeed())
		g.Eventually(func() error {
			return p.c.Client().Get(t.Context(), client.ObjectKeyFromObject(p.edge), &edgev1.EdgeRegistry{})
		}).WithTimeout(soon).WithPolling(often).Should(MatchError(ContainSubstring("not found")))
		g.Expect(pull.Pull(t.Context(), image)).To(Equal(pushed), "the operator ends no login that people made")
	})
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		for name, repository := range map[string]string{"without a repository": "", "with one": "service"} {
			t.Run(name, func(t *testing.T) {
				p := newPlant(t, j, func(p *plant) {
					p.edge.Spec.Verification.Repository = repository
					p.supply("pull", puller, "another-secret")
				})
				refused := p.comesTo(edgev1.ReasonCredentialRefused, metav1.ConditionFalse)
				NewWithT(t).Expect(refused.Message).To(ContainSubstring("Secret " + suppliedTo + "/" + p.edge.Name + "-pull"))
			})
		}
	})
}

// A node pulls without a pause, with whatever login it read last or with the previous one, while another is supplied.
func TestNoPullFailsWhileALoginIsReplaced(t *testing.T) {
	const next = "robot$plant+edge-2"
	eachJudge(t, func(t *testing.T, j *judge) {
		g := NewWithT(t)
		j.push(t)
		p := newPlant(t, j)
		p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
		first := p.published("pull")
		old, _ := j.withSecret(first)

		ctx, cancel := context.WithCancel(t.Context())
		pulled, failed, done := make(chan string), make(chan error, 1), make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				secret := &corev1.Secret{}
				if err := p.c.Client().Get(ctx, client.ObjectKeyFromObject(first), secret); err != nil {
					failed <- err
					return
				}
				now, _ := j.withSecret(secret)
				for _, node := range []platform.ImageClient{old, now} {
					if _, err := node.Pull(ctx, j.host+"/"+image+":1"); err != nil && ctx.Err() == nil {
						failed <- err
						return
					}
				}
				select {
				case pulled <- now.User:
				case <-ctx.Done():
				}
			}
		}()
		defer func() { cancel(); <-done }()
		pulls := func(user string) {
			t.Helper()
			g.Eventually(func() (string, error) {
				select {
				case user := <-pulled:
					return user, nil
				case err := <-failed:
					return "", StopTrying("a pull failed").Wrap(err)
				}
			}).WithTimeout(soon).WithPolling(often).Should(Equal(user))
		}
		for range 3 {
			pulls(puller)
		}
		g.Expect(j.set(next, "next-secret", rights[puller]...)).To(Succeed())
		p.supply("pull", next, "next-secret")
		for range 3 {
			pulls(next)
		}
		cancel()
		<-done
		issued := p.described()
		g.Expect(issued).To(ContainSubstring("leave the login before it working until "))
		g.Expect(string(p.published("publish").Data[handoff.KeyRegistryAuth])).To(BeEmpty(), "hzn would misread it")

		// The time that it names is over: people end the previous one.
		g.Expect(j.set(puller, "gone-secret")).To(Succeed())
		now, _ := j.withSecret(p.published("pull"))
		_, err := now.Pull(t.Context(), j.host+"/"+image+":1")
		g.Expect(err).NotTo(HaveOccurred())
		_, err = old.Pull(t.Context(), j.host+"/"+image+":1")
		g.Expect(err).To(MatchError(ContainSubstring("UNAUTHORIZED")))
	})
}

// What people read of each verdict.
func TestWhatIsDescribed(t *testing.T) {
	for name, test := range map[string]struct {
		judge  func(*testing.T) *judge
		change func(*plant)
		reason string
		ready  metav1.ConditionStatus
		says   []string
	}{
		"Ready": {byTokens, func(p *plant) { p.j.push(p.t); p.edge.Spec.Verification.Repository = "service" },
			edgev1.ReasonVerified, metav1.ConditionTrue, []string{pusher + " can pull", "is not refused a push", puller + " can pull", "is refused a push"}},
		"NotProven": {byHtpasswd, func(*plant) {},
			edgev1.ReasonNotProven, metav1.ConditionTrue, []string{"spec.verification.repository"}},
		"AnonymousPull": {byNothing, func(*plant) {},
			edgev1.ReasonAnonymousPull, metav1.ConditionTrue, []string{"asks nobody for a login"}},
		"a wrong password": {byHtpasswd, func(p *plant) { p.supply("pull", puller, "another-secret") },
			edgev1.ReasonCredentialRefused, metav1.ConditionFalse, []string{"correct the login where it is supplied"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, test.judge(t), test.change)
			p.comesTo(test.reason, test.ready)
			// The description breaks no lines in a message.
			text := p.described()
			g := NewWithT(t)
			g.Expect(text).To(MatchRegexp(`(?s)Message: [^\n]*` + `\n\s+Observed Generation: +1\n\s+Reason: +` + test.reason + `\n`))
			for _, words := range test.says {
				g.Expect(text).To(ContainSubstring(words))
			}
			g.Expect(strings.Count(text, "Type:                  RegistryVerified")).To(Equal(1))
		})
	}
}
