# Every verb sets up and builds what it needs first; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup configure build everything demo test e2e conformance conformance-pymongo conformance-go clients sim sim-mutants verify-faults bench fuzz kill9 memory lint format fresh clean

export DROVER := $(CURDIR)/build/drover
SEEDS ?= 200
JOBS ?= $(shell nproc)

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-27s %s\n", $$1, $$2}'

setup: ## Install every Debian and npm package that is missing (root or sudo)
	@tools/setup.sh

configure: setup
	@mkdir -p build && cmake --preset release >build/configure.log 2>&1 || (cat build/configure.log; exit 1)

build: configure ## Build the program, build/drover
	@cmake --build build --parallel $(JOBS) --target drover

everything: configure
	@cmake --build build --parallel $(JOBS)

demo: build ## The whole story on this machine; make demo ARGS="--help"
	@build/drover demo $(ARGS)

test: everything ## Every test: unit, layers, conformance, simulation, end to end; make test ARGS="-R cli"
	@rm -rf build/e2e; failed=0; \
	ctest --test-dir build --output-on-failure --parallel $$(( $(JOBS) + 2 )) $(ARGS) || failed=1; \
	build/tests/sim/drover_sim --seeds $(SEEDS) --jobs $(JOBS) || failed=1; \
	tests/e2e/summary.py build/e2e; exit $$failed

e2e: build ## End-to-end tests alone; make e2e ARGS="-k cutover"
	@tests/e2e/run.py $(ARGS)

conformance: build ## Drivers as they are: the C driver's own tests and its corpora in several versions, long sessions of Node, mongoose, mongosh, pymongo
	@tools/setup.sh conformance && cmake --build build --parallel $(JOBS) --target specification_cases && tests/conformance/run_all.py $(ARGS)

conformance-pymongo: build ## pymongo's own tests against the sandbox, from PyPI; make conformance-pymongo ARGS="--server-version 4.4 --auth"
	@tools/setup.sh pymongo && tests/conformance/run_pymongo.py $(ARGS)

conformance-go: build ## The Go driver's own tests against the sandbox, by version from the module proxy; needs Go 1.25; make conformance-go ARGS="--server-version 4.4"
	@tests/conformance/run_go.py $(ARGS)

clients: build ## The official clients' own libraries against the control plane, over HTTP and HTTPS; needs Go 1.23
	@tests/clients/run.py $(ARGS)

sim: configure ## Simulated migrations, each from a seed that replays exactly; make sim SEEDS=2000
	@cmake --build build --parallel $(JOBS) --target drover_sim && build/tests/sim/drover_sim --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)

sim-mutants: configure ## Break each rule of the engine by a switch; a story or a seed must catch every one
	@cmake --build build --parallel $(JOBS) --target drover_sim scenario_test && build/tests/sim/scenario_test --gtest_brief=1 && \
	build/tests/sim/drover_sim --mutants --bound 1000 --jobs $(JOBS) $(ARGS)

verify-faults: build ## Plant each kind of fault between two deployments; drover verify must find each
	@tests/e2e/run.py --module verify $(ARGS)

bench: configure ## Copy and apply beside their ceilings; make bench SIZE=500MB
	@cmake --build build --parallel $(JOBS) --target drover_bench && build/bench/drover_bench $(if $(SIZE),--size $(SIZE)) $(ARGS)

fuzz: ## Every fuzz target for a while, with clang's libFuzzer; make fuzz SECONDS=300
	@tools/setup.sh development && cmake --preset fuzz >/dev/null && cmake --build build/fuzz --parallel $(JOBS) --target fuzz_all && tests/fuzz/run.sh build/fuzz/tests/fuzz $(or $(SECONDS),60)

kill9: build ## kill -9 the sandbox under load again and again; make kill9 TIMES=50
	@KILLS=$(or $(TIMES),50) tests/e2e/run.py --module kill9 $(ARGS)

memory: build ## The sandbox under its --memory with 10 GB of documents and 1,000 connections, and with 40 clients of 15 MB documents; make memory DATA_MB=2000
	@MEMORY_DATA_MB=$(or $(DATA_MB),10240) MEMORY_CONNECTIONS=$(or $(CONNECTIONS),1000) MEMORY_SECONDS=$(or $(SECONDS),180) \
	MEMORY_MB=$(or $(MEMORY_MB),512) MEMORY_HUGE_CLIENTS=40 MEMORY_HUGE_SECONDS=120 tests/e2e/run.py --module memory $(ARGS)

lint: ## Layers, clang-tidy
	@tools/setup.sh development && python3 tools/check_layers.py . && cmake --preset lint >/dev/null && cmake --build build/lint --parallel $(JOBS)

format: ## Format the sources in place
	@tools/setup.sh development && git ls-files '*.h' '*.cc' | xargs clang-format -i

fresh: ## Prove it on a fresh Debian 12 (a debootstrap chroot; needs root)
	@tools/fresh.sh $(ARGS)

clean: ## Remove what was built
	@rm -rf build
