# `make help` lists the targets. Go, make and a POSIX shell are enough for all of them but the image ones.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMG ?= controller:latest
KUBECTL ?= kubectl
CONTAINER_TOOL ?= docker
TEST_ARGS ?=

# Versions are pinned in the two modules below and the go command builds what they name, once, into its cache.
# golangci-lint has a module of its own: in one graph with the others `go mod tidy` finds packages in two modules, and
# the hundreds of modules that it requires would choose the versions that the generators are built from.
CONTROLLER_GEN := go tool -modfile=$(CURDIR)/hack/tools/go.mod controller-gen
KUSTOMIZE := go tool -modfile=$(CURDIR)/hack/tools/go.mod kustomize
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
manifests: ## Write the CustomResourceDefinition and the operator's roles from the markers in the code.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=edge-registry-manager-role paths=./controllers/... output:rbac:artifacts:config=config/rbac

.PHONY: fmt
fmt: ## Format the Go code.
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: ## Run the linters of .golangci.yml.
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) run

.PHONY: verify
verify: ## Check that generated files, formatting, modules, headers, manifests and scripts are as they should be.
	KUSTOMIZE='$(KUSTOMIZE)' MAKE='$(MAKE)' hack/verify.sh

##@ Test

.PHONY: controlplane
controlplane: ## Build etcd, kube-apiserver, kube-controller-manager and kubectl into bin/. KUBEBUILDER_ASSETS overrides them.
ifdef KUBEBUILDER_ASSETS
	@echo "controlplane: using the programs in $(KUBEBUILDER_ASSETS)"
else
	hack/controlplane/build.sh bin
endif

.PHONY: test
test: controlplane ## Run all tests. TEST_ARGS adds flags, as in TEST_ARGS='-run Token -v'.
	go test -timeout 20m $(TEST_ARGS) ./...

.PHONY: test-long
test-long: controlplane ## Run the simulations and the crashes whole, of which make test runs a part. TEST_ARGS=-v shows the figures.
	LONG=1 go test -timeout 60m -run 'TestSimulatedTime|TestACrashAtAnyCall' $(TEST_ARGS) ./controllers

.PHONY: test-race
test-race: controlplane ## Run all tests with the race detector, which needs a C compiler.
	CGO_ENABLED=1 go test -race -timeout 40m $(TEST_ARGS) ./...

.PHONY: consumers
consumers: controlplane ## Give the Secrets to the real programs that read them: skopeo, podman, buildah, crane, ansible.
	go test -count=1 -v -timeout 20m ./config/consumers ./test/consumers

.PHONY: demo
demo: build controlplane ## Show the operator at work on a control plane of its own. KEEP=1 leaves it running.
	CGO_ENABLED=0 go run -trimpath ./hack/demo

##@ Build

.PHONY: build
build: ## Build bin/manager.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager .

.PHONY: run
run: ## Run the manager on this machine against the current kubeconfig. ARGS adds flags.
	POD_NAMESPACE=edge-registry-system go run . $(ARGS)

.PHONY: docker-build
docker-build: ## Build the image IMG.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMG) .

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
	echo 'resources: [../../config/default]' > bin/deploy/kustomization.yaml
	cd bin/deploy && $(KUSTOMIZE) edit set image 'controller=$(IMG)'
	$(KUSTOMIZE) build bin/deploy | $(KUBECTL) apply --server-side -f -

# EdgeRegistries first, while the operator could still tell of trouble.
.PHONY: undeploy
undeploy: ## Delete every EdgeRegistry, then the operator.
	if $(KUBECTL) get crd edgeregistries.edge.open-horizon.io >/dev/null; then \
		$(KUBECTL) delete edgeregistries.edge.open-horizon.io --all; fi
	$(KUSTOMIZE) build config/default | $(KUBECTL) delete --ignore-not-found -f -
