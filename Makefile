# MarketStream: `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What is downloaded or built for tests and demos outlives a clone.
export MARKETSTREAM_CACHE ?= $(HOME)/.cache/marketstream
export CARGO_TARGET_DIR ?= $(MARKETSTREAM_CACHE)/target
export CARGO_TERM_COLOR ?= auto
# With CONTEXT=name of a kubectl context, that cluster is used instead of the project's own node.
export CONTEXT ?=
# Images are local to a node; with IMAGE_PREFIX=registry/folder a cluster pulls them from there.
export IMAGE_PREFIX ?= localhost/marketstream
export MARKETSTREAM_TAG ?= dev
export STEP_TIMES := $(CURDIR)/target/test/times.tsv

STEP := mk/step
# A step that is only interesting when it fails.
QUIET = STEP_LOG=target/test/$@.log $(STEP)
IMAGES := $(MARKETSTREAM_CACHE)/images/$(MARKETSTREAM_TAG)
ARCHIVES := $(foreach image,operator streamer ib-gateway-sim e2e,$(IMAGES)/$(image).tar)
PROGRAMS := marketstream-operator marketstream-streamer ib-gateway-sim marketstream-e2e kubectl-marketstream
# The whole workspace is always selected, so that dependencies are built once, with one set of features.
CARGO_TEST := cargo test --quiet --locked --workspace
# Two cores: more scenarios at once would only slow each other.
E2E_THREADS ?= 6

include mk/node.mk

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

# --- The main job -----------------------------------------------------------------------------------------------

.PHONY: demo
demo: ## The main job on a real Kubernetes: outages, and how they end (leaves the cluster up)
	@trap 'echo; echo "Interrupted: ending the node."; $(MAKE) node-down; exit 130' INT TERM; \
	  $(MAKE) deps node-build images node-up cluster-demo

# The rest of the demo, with a kubeconfig of the cluster.
.PHONY: cluster-demo
cluster-demo:
	@$(with_cluster) $(MAKE) load install INSTALL_VALUES="--values e2e/manifests/demo-operator.yaml"; \
	  $(programs)/marketstream-e2e demo

.PHONY: test
test: ## Everything that CI checks, scenarios on a real Kubernetes included
	@rm -f $(STEP_TIMES)
	@$(STEP) "machine: what is missing" $(MAKE) deps
	@$(MAKE) check
	@$(STEP) "node: Kubernetes from Go modules" $(MAKE) node-build
	@$(MAKE) images
	@$(MAKE) e2e
	@echo; echo "Times in seconds:"; awk -F '\t' '{ printf "  %6d  %s\n", $$1, $$2 }' $(STEP_TIMES)

# --- Checks without a cluster -----------------------------------------------------------------------------------

.PHONY: check
check: ## Format, clippy, unit tests, generated files, chart
	@$(QUIET) "format" cargo fmt --all --check
	@$(QUIET) "clippy, warnings are errors" cargo clippy --quiet --locked --workspace --all-targets --all-features -- --deny warnings
	@$(STEP) "unit and integration tests, generated files" $(CARGO_TEST)
	@$(QUIET) "the node's own tests" bash -c 'cd e2e/node && GOWORK=off go vet ./... && GOWORK=off go test ./...'

.PHONY: generate
generate: ## Write the files that are generated from code
	@UPDATE_GENERATED=1 $(CARGO_TEST) --test generated

# How many simulated years, or the one seed to replay.
SEEDS ?= 1000
SEED ?=

.PHONY: year
year: ## Simulated years of faults, judged by their true causes (SEEDS=n; SEED=n replays one)
	@cargo run --quiet --locked --release --package marketstream-years -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

# How long each fuzz target runs, and the seed of its inputs.
FUZZ_MILLIS ?= 60000
FUZZ_SEED ?= $(shell date +%s)

.PHONY: fuzz
fuzz: ## Mutated input for every parser of outside bytes, a minute each (FUZZ_MILLIS=n, FUZZ_SEED=n)
	@export FUZZ_MILLIS=$(FUZZ_MILLIS) FUZZ_SEED=$(FUZZ_SEED); \
	  $(CARGO_TEST) --test fuzz -- --nocapture; $(CARGO_TEST) --lib fuzzed_ -- --nocapture

.PHONY: bench-simulator
bench-simulator: ## How many ticks a second the simulator sends, beside a raw loop of the same bytes
	@cargo bench --quiet --locked --package ib-gateway-sim --bench flood

.PHONY: bench-streamer
bench-streamer: ## How fast and how large the streamer is, beside raw reads of the same bytes and the bare client library
	@cargo bench --quiet --locked --workspace --bench throughput

# --- Programs and images ----------------------------------------------------------------------------------------

programs := $(CARGO_TARGET_DIR)/release

.PHONY: deps
deps: ## Install what the node and the images need (Debian, as root), or say what is missing
	@$(if $(CONTEXT),true,$(NODE) deps)

.PHONY: build
build: ## Build the programs for release
	@$(STEP) "programs for release" cargo build --quiet --locked --release $(foreach program,$(PROGRAMS),--bin $(program))
	@$(STEP) "login gate, static" mk/static marketstream-gate $(programs)

.PHONY: plugin
plugin: ## Build the kubectl plugin, and say where it is
	@$(STEP) "kubectl plugin" cargo build --quiet --locked --release --bin kubectl-marketstream
	@echo "  put it into PATH: install -m 0755 $(programs)/kubectl-marketstream /usr/local/bin/"

.PHONY: images
images: build ticks ## Build the container images as OCI archives
	@$(STEP) "images" e2e/images/build.sh $(programs) $(IMAGES) $(MARKETSTREAM_TAG)

export TICKS := $(MARKETSTREAM_CACHE)/ticks/btcusd/btcusd.ticks

.PHONY: ticks
ticks: build ## Fetch the real BTC/USD quotes and trades that the simulator replays
	@$(STEP) "real BTC/USD ticks" env IB_GATEWAY_SIM=$(programs)/ib-gateway-sim simulator/fetch-btcusd.sh $(TICKS)

# --- On a cluster -----------------------------------------------------------------------------------------------

# KUBECONFIG, PATH and HELM of the cluster: the project's own node, or the user's context.
define with_cluster
if [[ -z "$$CONTEXT" ]]; then export KUBECONFIG=$$($(NODE) kubeconfig --name $(NAME)) PATH="$$($(NODE) bin):$$PATH"; fi;
endef
HELM_ARGS = $(if $(CONTEXT),--kube-context $(CONTEXT))
IMAGE_VALUES = --set image.repository=$(IMAGE_PREFIX)/operator --set image.tag=$(MARKETSTREAM_TAG) \
  --set streamer.image.repository=$(IMAGE_PREFIX)/streamer --set streamer.image.tag=$(MARKETSTREAM_TAG)

.PHONY: load
load: ## Load the images into the cluster
	@$(STEP) "images into the cluster" e2e/images/load.sh $(ARCHIVES)

.PHONY: install
install: ## Install the chart into the cluster of KUBECONFIG, with the images that were built here
	@kubectl $(if $(CONTEXT),--context $(CONTEXT)) apply --server-side -f charts/namespace.yaml >/dev/null
	@$(QUIET) "helm install" helm $(HELM_ARGS) upgrade --install marketstream charts/marketstream --wait --timeout 120s \
	  --namespace marketstream-system $(IMAGE_VALUES) $(INSTALL_VALUES)

.PHONY: chart
chart: ## Lint the chart and check what it renders against the API server's schemas
	@$(QUIET) "helm lint" helm lint --strict charts/marketstream
	@$(QUIET) "schemas of the rendered chart" mk/chart-check

.PHONY: e2e
e2e: ## The scenarios on a real Kubernetes (SCENARIO=name for some of them)
	@$(if $(CONTEXT),$(MAKE) cluster-e2e,$(NODE) run --name e2e -- $(MAKE) cluster-e2e NAME=e2e)

.PHONY: cluster-e2e
cluster-e2e:
	@$(with_cluster) $(MAKE) chart load install INSTALL_VALUES="--values e2e/manifests/operator.yaml"; \
	  export KUBECTL_MARKETSTREAM=$(programs)/kubectl-marketstream; $(STEP) "scenarios" $(filter-out --quiet,$(CARGO_TEST)) --features marketstream-e2e/cluster --test scenarios --test operator_killed \
	    -- --test-threads $(E2E_THREADS) $(SCENARIO)
