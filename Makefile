# Everything that a person does with the checkout. `make` alone lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Outside the checkout, so that a fresh clone starts with a warm cache.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/leadscore/target

LEADSCORE := $(CARGO_TARGET_DIR)/release/leadscore
REPORTS := $(CURDIR)/target/reports

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: deps
deps: ## Install what the build needs and this machine lacks
	@scripts/install-build-deps.sh

.PHONY: build
build: deps ## Build the release binary
	@cargo build --release --locked -p leadscore-server

.PHONY: up
up: ## Start PostgreSQL, Redis and Kafka in ./leadscore-servers (again: with the data that they had)
	@scripts/servers install
	@scripts/servers start leadscore-servers
	@echo "stop them with: make down; remove their data with: scripts/servers remove leadscore-servers"

.PHONY: down
down: ## Stop what make up has started; the data stays
	@scripts/servers stop leadscore-servers

.PHONY: demo
demo: build ## Simulate a brokerage, train, and serve it (again: goes on where it was)
	@exec $(LEADSCORE) demo

.PHONY: demo-reset
demo-reset: ## Remove the demo's folder, ./leadscore-data
	@rm -rf leadscore-data

.PHONY: test
test: deps ## Run every test
	@scripts/test.sh

.PHONY: chaos
chaos: deps ## Prove the guarantees through hundreds of crashes and outages (needs root; docs/GUARANTEES.md)
	@scripts/install-build-deps.sh libfaketime
	@scripts/servers install
	@CHAOS=long cargo test --locked --no-fail-fast -p leadscore-server --test chaos --test chaos_machine -- --nocapture --test-threads=1

.PHONY: lint
lint: deps ## Format, clippy, licences, unused dependencies, dependency directions, named tests
	@scripts/lint.sh

.PHONY: bench
bench: build ## Measure speed and memory against their bars (PARTS="engine ensemble training brokerage pipeline")
	@KAFKA_OPTS=$${KAFKA_OPTS:--XX:TieredStopAtLevel=4} LEADSCORE_PYTHON=$$(scripts/python-venv quality/requirements.txt) \
	  scripts/servers run cargo bench --locked -p leadscore-server --bench bars -- $(PARTS)

.PHONY: quality
quality: deps ## Measure accuracy on real data beside eight other models (needs LEADSCORE_DATA_DIR)
	@scripts/quality.sh

.PHONY: quality-tune
quality-tune: deps ## Find the other models' parameters anew, for quality/parameters.json (needs LEADSCORE_DATA_DIR)
	@scripts/quality.sh tune

.PHONY: world
world: deps ## Measure the model and its intervals against the best that can be known of the simulated world
	@cargo bench --locked -p leadscore-engine --bench world

.PHONY: coverage
coverage: deps ## Measure the tests' line coverage against its bar
	@scripts/coverage.sh

.PHONY: fuzz
fuzz: deps ## Run the fuzz targets, FUZZ_SECONDS=600 each (TARGETS="token json"; docs/SECURITY.md), and 1,000 requests of each operation
	@scripts/fuzz $(TARGETS)
	@[ -n "$(TARGETS)" ] || LEADSCORE_GENERATED_EXAMPLES=1000 cargo test --locked --workspace --test e2e generated::

.PHONY: sbom
sbom: deps ## Write what the release is made of, with licences, as CycloneDX in target/sbom
	@scripts/sbom

.PHONY: docs
docs: ## Write anew what is generated from the code: the manuals of features, API and command line
	@UPDATE_DOCS=1 cargo test --locked -p leadscore-domain --lib the_committed
	@UPDATE_DOCS=1 cargo test --locked -p leadscore-engine --test features
	@UPDATE_DOCS=1 cargo test --locked -p leadscore-api --lib the_committed
	@UPDATE_DOCS=1 cargo test --locked -p leadscore-server --bin leadscore the_manual_is_what_help_prints
	@npm --prefix clients/typescript install --no-audit --no-fund --silent && npm --prefix clients/typescript run --silent generate

.PHONY: fmt
fmt: ## Format the code
	@cargo fmt --all
