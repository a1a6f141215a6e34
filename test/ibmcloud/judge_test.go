// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/machine"
)

// judge installs IBM's clients once, next to the script that drives them. They end with the tests.
var judge = sync.OnceValues(func() (folder string, err error) {
	folder = filepath.Join(programs, "judge")
	if err := os.CopyFS(folder, os.DirFS("judge")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = folder
	if output, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, output)
	}
	return folder, nil
})

// judged are the operations of IBM's clients with the statuses that they get.
var judged = []string{
	"createServiceId 201", "listServiceIds 200", "getServiceId 200", "updateServiceId 200", "lockServiceId 204", "unlockServiceId 204",
	"createApiKey 201", "createApiKey 409", "listApiKeys 200", "getApiKey 200",
	"getApiKeysDetails 200", "getApiKeysDetails 200", "getApiKeysDetails 403",
	"deleteApiKey 409", "unlockApiKey 204", "lockApiKey 204", "unlockApiKey 204", "updateApiKey 200",
	"disableApiKey 204", "authenticate 400", "enableApiKey 204", "getApiKey 200", "deleteApiKey 204", "getApiKey 404", "getAccountLimits 200",
	"listRoles 200", "createV2Policy 201", "createV2Policy 409", "getV2Policy 200", "replaceV2Policy 200", "listV2Policies 200",
	"createV2Policy 403", "deleteV2Policy 204",
	"listResourceGroups 200", "getMessages 200", "createNamespace 201", "createNamespace 200", "listNamespaces 200", "listNamespaceDetails 200",
	"assignNamespace 400", "listImages 200", "getQuota 200", "getPlans 200", "getAuth 200", "getSettings 200",
	"listNamespaces 200", "createNamespace 403", "deleteNamespace 204",
	"deleteServiceId 409", "deleteServiceId 204",
}

// TestIBMsClientsAgree drives the stand-in with the clients that IBM publishes for Node.
func TestIBMsClientsAgree(t *testing.T) {
	machine.Program(t, "node", "Debian's package nodejs")
	machine.Program(t, "npm", "Debian's package npm")
	folder, err := judge()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Skipf("IBM's clients cannot be installed here: %v", err)
	}
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())

	// The clients go by the real time.
	w := New(Options{Delays: &Delays{}})
	t.Cleanup(w.Close)
	w.AddAccount(plant, AccountOptions{})
	owner := w.AddKey(w.Owner(plant))
	puller := w.AddServiceID(plant, "puller")
	_, port, err := net.SplitHostPort(w.Address)
	g.Expect(err).NotTo(HaveOccurred())
	input, err := json.Marshal(map[string]string{"port": port, "account": plant, "owner": owner.Value(), "puller": puller.Value()})
	g.Expect(err).NotTo(HaveOccurred())
	ca := filepath.Join(t.TempDir(), "ca.crt")
	g.Expect(os.WriteFile(ca, w.CA.PEM(), 0o600)).To(Succeed())

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "judge.js")
	script.Dir, script.Stdin = folder, strings.NewReader(string(input))
	script.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NODE_EXTRA_CA_CERTS=" + ca, "NO_PROXY=*"}
	said := &strings.Builder{}
	script.Stderr = said
	output, err := script.Output()
	for _, value := range w.Values() {
		if strings.Contains(said.String(), value) {
			t.Fatal("the clients fail, and print a key")
		}
	}
	g.Expect(err).NotTo(HaveOccurred(), "%s\n%s", output, said)
	g.Expect(strings.Split(strings.TrimSpace(string(output)), "\n")).To(Equal(judged))
	g.Expect(w.ServiceIDs(plant)).To(HaveLen(1))
	g.Expect(w.Keys()).To(HaveLen(2))
	g.Expect(w.Policies(plant)).To(HaveLen(1))
	g.Expect(w.Namespaces(plant, "us-south")).To(BeEmpty())
	g.Expect(w.Exposed()).To(BeEmpty())
}
