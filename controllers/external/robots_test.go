// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/harbor"
)

const (
	robotsUID = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
	ownMark   = "EdgeRegistry UID " + robotsUID
)

var robotsNow = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// robotsOf is a session of an EdgeRegistry with robots in the project plant, of whose pullers the second is on record.
func robotsOf(t *testing.T) *harborSession {
	t.Helper()
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "edge", UID: robotsUID}}
	month := metav1.Duration{Duration: 720 * time.Hour}
	edge.Spec.External = &edgev1.ExternalSpec{
		Host: "harbor.example.com", RepositoryPrefix: "plant",
		Harbor: &edgev1.HarborSpec{Project: "plant", Publisher: edgev1.RobotSpec{Lifetime: month}, Puller: edgev1.RobotSpec{Lifetime: metav1.Duration{Duration: 100 * time.Hour}}},
	}
	s := New(Config{}).beginHarbor(pass.NewScope(edge, robotsNow, &pass.Memory{}))
	s.Record.Note(pass.Issued{Role: edgev1.TokenPuller, ID: "1", Generation: 1, ExpiresAt: metav1.NewTime(robotsNow.Add(-time.Hour))})
	s.Record.Note(pass.Issued{Role: edgev1.TokenPuller, ID: "2", Generation: 2, ExpiresAt: metav1.NewTime(robotsNow.Add(time.Hour))})
	return s
}

func TestWhichRobotIsOurs(t *testing.T) {
	const name = "robot$plant+edge-0a1b2c3d-puller-2"
	for title, test := range map[string]struct {
		robot harbor.Robot
		ours  bool
	}{
		"ours":                     {harbor.Robot{ID: 2, Level: "project", Name: name, Description: ownMark + "."}, true},
		"with a note":              {harbor.Robot{ID: 2, Level: "project", Name: name, Description: "do not touch; " + ownMark}, true},
		"with another prefix":      {harbor.Robot{ID: 2, Level: "project", Name: "bot-plant+edge-0a1b2c3d-puller-2", Description: ownMark}, true},
		"of another id":            {harbor.Robot{ID: 7, Level: "project", Name: name, Description: ownMark}, false},
		"not on record yet":        {harbor.Robot{ID: 7, Level: "project", Name: "robot$plant+edge-0a1b2c3d-puller-3", Description: ownMark}, true},
		"without the mark":         {harbor.Robot{ID: 2, Level: "project", Name: name, Description: "EdgeRegistry"}, false},
		"with a part of the mark":  {harbor.Robot{ID: 2, Level: "project", Name: name, Description: "EdgeRegistry UID 0a1b2c3d"}, false},
		"of the system":            {harbor.Robot{ID: 2, Level: "system", Name: name, Description: ownMark}, false},
		"of another project":       {harbor.Robot{ID: 2, Level: "project", Name: "robot$other+edge-0a1b2c3d-puller-2", Description: ownMark}, false},
		"of another EdgeRegistry":  {harbor.Robot{ID: 2, Level: "project", Name: "robot$plant+edge-0a1b2c3e-puller-2", Description: ownMark}, false},
		"of no role":               {harbor.Robot{ID: 2, Level: "project", Name: "robot$plant+edge-0a1b2c3d-admin-2", Description: ownMark}, false},
		"with a number in letters": {harbor.Robot{ID: 2, Level: "project", Name: "robot$plant+edge-0a1b2c3d-puller-two", Description: ownMark}, false},
		"with a zero before":       {harbor.Robot{ID: 2, Level: "project", Name: "robot$plant+edge-0a1b2c3d-puller-02", Description: ownMark}, false},
	} {
		t.Run(title, func(t *testing.T) {
			_, ours := robotsOf(t).ours(test.robot)
			NewWithT(t).Expect(ours).To(Equal(test.ours))
		})
	}
}

func TestWhoseARobotsLoginIs(t *testing.T) {
	for user, want := range map[string]exchange.Owner{
		"robot$plant+edge-0a1b2c3d-puller-1":    exchange.Dead,
		"robot$plant+edge-0a1b2c3d-puller-2":    exchange.Puller,
		"robot$plant+edge-0a1b2c3d-puller-9":    exchange.Puller,
		"robot$plant+edge-0a1b2c3d-publisher-1": exchange.Publisher,
		"robot$other+edge-0a1b2c3d-puller-2":    exchange.Nobody,
		"robot$plant+edge-0a1b2c3e-puller-2":    exchange.Nobody,
		"edge-0a1b2c3d-puller-2":                exchange.Nobody,
		"robot$plant+ci":                        exchange.Nobody,
		"":                                      exchange.Nobody,
	} {
		t.Run(user, func(t *testing.T) {
			NewWithT(t).Expect(robotsOf(t).Whose(t.Context(), user, credential.NewToken("any-secret"))).To(Equal(want))
		})
	}
}

func TestLivesAreWholeDays(t *testing.T) {
	g := NewWithT(t)
	s := robotsOf(t)
	g.Expect(s.Publisher.Policy).To(Equal(pass.Policy{Lifetime: 720 * time.Hour, RenewBefore: 240 * time.Hour}))
	g.Expect(s.Puller.Policy).To(Equal(pass.Policy{Lifetime: 100 * time.Hour, RenewBefore: 48 * time.Hour}), "a third, rounded up")
	g.Expect(hardLife(s.Publisher.Policy)).To(Equal(int64(40)))
	g.Expect(hardLife(s.Puller.Policy)).To(Equal(int64(7)), "never less than was promised")
}
