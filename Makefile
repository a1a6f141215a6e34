# `make help` lists the targets. Go, make and a POSIX shell are enough for all of them but the image ones.

# As many digits in every clone: by itself git takes more the more objects it holds.
VERSION ?= $(shell git describe --tags --always --dirty --abbrev=12 2>/dev/null || echo dev)
IMG ?= controller:latest
# What `make dist` and `make bundle` write about: the release that comes next, and where its image will be. The image
# has no home yet, so name yours: RELEASE_IMG=registry.example.com/edge-registry-operator@sha256:...
RELEASE ?= 0.1.0
RELEASE_IMG ?= quay.example.com/edge/edge-registry-operator:v$(RELEASE)
BUNDLE_IMG ?= quay.example.com/edge/edge-registry-operator-bundle:v$(RELEASE)
# What `make deploy` and `make undeploy` are about: CONFIG=config/overlays/kubernetes for a cluster that is not OpenShift.
CONFIG ?= config/default
# What `make demo` shows: openshift, ibmcloud for IBM Cloud, external for any private registry, or harbor for robots of Harbor.
PROVIDER ?= openshift
# Where `make controlplane` has the test control plane from: download takes the official builds where they can be reached, build
# builds them. CONTROLPLANE_ARGS names mirrors: `go run ./hack/controlplane -help` lists them.
CONTROLPLANE ?= download
CONTROLPLANE_ARGS ?=
PLATFORMS ?= linux/amd64,linux/arm64,linux/ppc64le,linux/s390x
KUBECTL ?= kubectl
# Where `make install-plugin` puts `kubectl edgereg`.
PLUGIN_DIR ?= $(or $(shell go env GOBIN),$(shell go env GOPATH)/bin)
CONTAINER_TOOL ?= docker
TEST_ARGS ?=
BENCH_ARGS ?=

# Versions are pinned in the two modules below and the go command builds what they name, once, into its cache.
# golangci-lint has a module of its own: in one graph with the others `go mod tidy` finds packages in two modules, and
# the hundreds of modules that it requires would choose the versions that the generators are built from.
CONTROLLER_GEN := go tool -modfile=$(CURDIR)/hack/tools/go.mod controller-gen
KUSTOMIZE := go tool -modfile=$(CURDIR)/hack/tools/go.mod kustomize
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.1.4
GOLANGCI_LINT := go tool -modfile=$(CURDIR)/hack/lint/go.mod golangci-lint

# The version comes from git describe. The go command's own stamp fails in a checkout that belongs to another user.
export GOFLAGS := $(strip $(filter-out -buildvcs%,$(GOFLAGS)) -buildvcs=false)

# Targets write into one tree, and each go command uses all cores by itself: -j must not run two targets at once.
.NOTPARALLEL:
.DEFAULT_GOAL := help

##@ General

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "; print "Usage: make TARGET"} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove everything that was built, the control plane too.
	rm -rf bin dist

##@ Develop

.PHONY: generate
generate: ## Write the DeepCopy methods of api/.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Write the CustomResourceDefinition, the table of its fields and the operator's roles from the code.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	CGO_ENABLED=0 go run -trimpath ./hack/fields > docs/spec/fields.md
	$(CONTROLLER_GEN) rbac:roleName=edge-registry-manager-role paths=./controllers/... output:rbac:artifacts:config=config/rbac
	CGO_ENABLED=0 go run -trimpath ./hack/roles

.PHONY: bundle
bundle: manifests ## Write bundle/ for the Operator Lifecycle Manager and the samples of the console, from config/.
	CGO_ENABLED=0 go run -trimpath ./hack/bundle -version '$(RELEASE)' -image '$(RELEASE_IMG)'

.PHONY: dashboards
dashboards: ## Write the dashboards for Grafana and for the OpenShift console into config/dashboards.
	CGO_ENABLED=0 go run -trimpath ./hack/dashboards

.PHONY: fmt
fmt: ## Format the Go code.
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: ## Run the linters of .golangci.yml.
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) run

.PHONY: verify
verify: ## Check that generated files, formatting, modules, headers, documents, manifests and scripts are as they should be.
	KUSTOMIZE='$(KUSTOMIZE)' MAKE='$(MAKE)' hack/verify.sh

##@ Test

# Less collecting of garbage saves an eighth of the tests' CPU time. The limit is where a process starts to collect more again.
test test-long faults faults-quick mutants test-race: export GOGC ?= 400
test test-long faults faults-quick mutants test-race: export GOMEMLIMIT ?= 2GiB

.PHONY: controlplane
controlplane: ## Put etcd, kube-apiserver, kube-controller-manager and kubectl into bin/: official builds, or built where none can be reached. KUBEBUILDER_ASSETS overrides them.
ifdef KUBEBUILDER_ASSETS
	@echo "controlplane: using the programs in $(KUBEBUILDER_ASSETS)"
else
	@CGO_ENABLED=0 go run -trimpath ./hack/controlplane -from=$(CONTROLPLANE) $(CONTROLPLANE_ARGS) bin
endif

.PHONY: test
test: controlplane ## Run all tests. TEST_ARGS adds flags, as in TEST_ARGS='-run Token -v'.
	hack/test.sh $(TEST_ARGS)

.PHONY: test-long
test-long: controlplane ## Run the simulations whole, of which make test runs a part. TEST_ARGS=-v shows the figures.
	LONG=1 go test -timeout 60m -vet=off -run 'TestSimulatedTime' $(TEST_ARGS) ./controllers

# In its own folder, so that go test shows what the suites count as they end.
.PHONY: faults
faults: controlplane ## Disturb the operator in every way that docs/internal/reliability.md lists, and count. Takes up to 90 minutes.
	cd test/faults && FAULTS=all go test -vet=off -count=1 -timeout 90m $(TEST_ARGS)
	cd controllers/ibmcloud && FAULTS=all go test -vet=off -count=1 -timeout 30m -run '^TestWhateverGoesWrong' $(TEST_ARGS)
	cd controllers && FAULTS=all go test -vet=off -count=1 -timeout 30m -run '^TestACallToHarborThatGoesWrong' $(TEST_ARGS)

.PHONY: faults-quick
faults-quick: controlplane ## Run a sample of the faults, the same each time, within ten minutes.
	cd test/faults && go test -vet=off -count=1 -timeout 20m $(TEST_ARGS)

.PHONY: mutants
mutants: controlplane ## Put known bugs into the operator, one at a time, and see that a test notices. MUTANTS='a b' names some.
	go run ./test/mutants $(MUTANTS)

.PHONY: test-race
test-race: controlplane ## Run all tests with the race detector, which needs a C compiler.
	CGO_ENABLED=1 go test -race -timeout 40m $(TEST_ARGS) ./...

.PHONY: consumers
consumers: controlplane ## Give the Secrets to the real programs that read them: skopeo, podman, buildah, crane, ansible.
	go test -count=1 -v -timeout 20m ./config/consumers ./test/consumers

# Etcd does not start in this mode, so the control plane of the tests stays out of it.
.PHONY: test-fips
test-fips: controlplane ## Run the operator's tests with cryptography that FIPS 140-3 allows and no other.
	GODEBUG=fips140=only go test -timeout 20m $(TEST_ARGS) . ./api/... ./config ./controllers/... ./internal/... ./test/platform

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the manager calls. Needs the database at vuln.go.dev.
	$(GOVULNCHECK) .

.PHONY: demo
demo: build plugin controlplane ## Show the operator at work on a control plane of its own. PROVIDER=ibmcloud, external or harbor shows another registry, KEEP=1 leaves it running.
ifneq ($(PROVIDER),openshift)
	cd test/registries && go build -o $(CURDIR)/bin/registry ./registry
endif
	CGO_ENABLED=0 go run -trimpath ./hack/demo -provider=$(PROVIDER)

.PHONY: picture
picture: build controlplane ## Draw docs/demo.svg from a run of the demo.
	CGO_ENABLED=0 go run -trimpath ./hack/demo -provider=openshift >bin/demo.txt
	go run ./hack/picture <bin/demo.txt >docs/demo.svg

.PHONY: bench
bench: build controlplane ## Measure how fast and how small the operator is, and write docs/benchmarks.md. BENCH_ARGS=-quick tries it out.
	CGO_ENABLED=0 go run -trimpath ./test/bench $(BENCH_ARGS)

##@ Build

.PHONY: build
build: ## Build bin/manager.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager .

.PHONY: plugin
plugin: ## Build bin/kubectl-edgereg, the plugin `kubectl edgereg`, and bin/kubectl_complete-edgereg beside it.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/kubectl-edgereg ./cmd/kubectl-edgereg
	install -m 0755 cmd/kubectl-edgereg/kubectl_complete-edgereg bin/kubectl_complete-edgereg

.PHONY: install-plugin
install-plugin: plugin ## Install the plugin into PLUGIN_DIR, which has to be on PATH: where go install puts programs.
	mkdir -p '$(PLUGIN_DIR)'
	install -m 0755 bin/kubectl-edgereg bin/kubectl_complete-edgereg '$(PLUGIN_DIR)'
	@echo 'installed kubectl edgereg into $(PLUGIN_DIR)'
	@case ":$$PATH:" in *':$(PLUGIN_DIR):'*) ;; *) echo 'put that folder on PATH, so that kubectl finds it' ;; esac

.PHONY: run
run: ## Run the manager on this machine against the current kubeconfig. ARGS adds flags.
	POD_NAMESPACE=edge-registry-system go run . $(ARGS)

.PHONY: dist
dist: ## Write files to install from, static binaries, bills of materials and checksums into dist/.
	CGO_ENABLED=0 go run -trimpath ./hack/dist -version '$(VERSION)' -image '$(RELEASE_IMG)'

.PHONY: pin-images
pin-images: ## Put digests behind the tags of the base images and of the images in config/. Needs their registries.
	hack/pin.sh

.PHONY: docker-build
docker-build: ## Build the image IMG, with CONTAINER_TOOL=podman by Podman.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMG) .

# Docker pushes at once, because it cannot keep an image of several architectures; Podman fills a manifest list first.
.PHONY: docker-buildx
docker-buildx: ## Build the image IMG for the architectures in PLATFORMS and push it.
ifeq ($(notdir $(CONTAINER_TOOL)),podman)
	$(CONTAINER_TOOL) build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --manifest $(IMG) .
	$(CONTAINER_TOOL) manifest push --all $(IMG)
else
	$(CONTAINER_TOOL) buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMG) --push .
endif

.PHONY: bundle-build
bundle-build: ## Build the image BUNDLE_IMG of bundle/.
	$(CONTAINER_TOOL) build -f bundle/bundle.Dockerfile -t $(BUNDLE_IMG) bundle

##@ Deploy

.PHONY: install
install: ## Install the CustomResourceDefinition into the cluster of the current kubeconfig.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: uninstall
uninstall: ## Remove the CustomResourceDefinition, and every EdgeRegistry with it.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) delete --ignore-not-found -f -

# An overlay of its own sets the image, so that the tree stays as it is.
.PHONY: deploy
deploy: ## Deploy the operator with the image IMG.
	mkdir -p bin/deploy
	echo 'resources: [../../$(CONFIG)]' > bin/deploy/kustomization.yaml
	cd bin/deploy && $(KUSTOMIZE) edit set image 'controller=$(IMG)'
	$(KUSTOMIZE) build bin/deploy | $(KUBECTL) apply --server-side -f -

# EdgeRegistries first, while the operator could still tell of trouble.
.PHONY: undeploy
undeploy: ## Delete every EdgeRegistry, then the operator.
	if $(KUBECTL) get crd edgeregistries.edge.open-horizon.io >/dev/null; then \
		$(KUBECTL) delete edgeregistries.edge.open-horizon.io --all; fi
	$(KUSTOMIZE) build $(CONFIG) | $(KUBECTL) delete --ignore-not-found -f -
