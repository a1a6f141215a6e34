// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

func TestWhoseAKeyOnRecordIs(t *testing.T) {
	s := newSession()
	s.Now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	s.Memory = &pass.Memory{}
	s.Publisher, s.Puller = pass.Login{Role: edgev1.TokenPublisher}, pass.Login{Role: edgev1.TokenPuller}
	s.clientErr = pass.Waiting(edgev1.ReasonIBMCloudUnavailable, "clientErr")
	note := func(role edgev1.TokenRole, value string, change func(*pass.Issued)) {
		issued := pass.Issued{Role: role, ID: "ApiKey-" + value, Check: pass.NewCheck(credential.NewToken(value)), Until: metav1.NewTime(s.Now.Add(time.Hour))}
		change(&issued)
		s.Record.Note(issued)
	}
	note(edgev1.TokenPuller, "pull-key-of-before", func(*pass.Issued) {})
	note(edgev1.TokenPublisher, "push-key-of-before", func(*pass.Issued) {})
	note(edgev1.TokenPuller, "pull-key-disabled", func(i *pass.Issued) { i.DisabledAt = metav1.NewTime(s.Now) })
	note(edgev1.TokenPuller, "pull-key-ended", func(i *pass.Issued) { i.EndedAt = metav1.NewTime(s.Now) })
	note(edgev1.TokenPublisher, "push-key-over", func(i *pass.Issued) { i.Until = metav1.NewTime(s.Now) })
	for value, want := range map[string]exchange.Owner{
		"pull-key-of-before": exchange.Puller, "push-key-of-before": exchange.Publisher,
		"pull-key-disabled": exchange.Dead, "pull-key-ended": exchange.Dead, "push-key-over": exchange.Dead,
	} {
		owner, err := s.Whose(t.Context(), user, credential.NewToken(value))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(owner).To(Equal(want), value)
	}
	owner, err := s.Whose(t.Context(), "iambearer", credential.NewToken("pull-key-of-before"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(owner).To(Equal(exchange.Nobody))
	_, err = s.Whose(t.Context(), user, credential.NewToken("somebody-elses-key"))
	NewWithT(t).Expect(err).To(HaveOccurred(), "while IBM Cloud is clientErr nobody knows")
}

func TestWhoseAKeyIsThatIBMCloudDescribes(t *testing.T) {
	s := newSession()
	s.Publisher, s.Puller = pass.Login{Role: edgev1.TokenPublisher}, pass.Login{Role: edgev1.TokenPuller}
	for name, test := range map[string]struct {
		key  ibmcloud.Key
		want exchange.Owner
	}{
		"a key of the service ID that was made":               {ibmcloud.Key{IAMID: "iam-ServiceId-1"}, exchange.Publisher},
		"the same, disabled":                                  {ibmcloud.Key{IAMID: "iam-ServiceId-1", Disabled: true}, exchange.Dead},
		"another's key of a service ID that was there":        {ibmcloud.Key{IAMID: "iam-ServiceId-2"}, exchange.Nobody},
		"our key of a service ID that was there":              {ibmcloud.Key{IAMID: "iam-ServiceId-2", Description: s.keyMark(edgev1.TokenPuller, 1)}, exchange.Puller},
		"a key of an administrator":                           {ibmcloud.Key{IAMID: "IBMid-1"}, exchange.Nobody},
		"a key of nobody, while an identity is not known yet": {ibmcloud.Key{}, exchange.Nobody},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(s.ownerOfKey(test.key)).To(Equal(test.want))
		})
	}
}
