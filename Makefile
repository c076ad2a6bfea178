# The one list of commands. `make` says what there is.

# `make PROFILE=dev test` compiles sooner and runs slower. Everything uses one profile, so that wasmtime is compiled once.
PROFILE ?= release

target_dir := $(or $(CARGO_TARGET_DIR),target)
flags      := --profile $(PROFILE)
out        := $(target_dir)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
flowgate   := $(out)/flowgate
# Tests and lints are of all packages at once. The features of the large libraries are the same for the program alone.
workspace  := --workspace
PREFIX     ?= $(HOME)/.local
# Relative to the job file, or absolute.
demo_checkpoints = $(abspath $(target_dir))/demo/checkpoints

.DEFAULT_GOAL := help
.PHONY: help setup build plugins demo servers test page api groups traces tidy soak install image bench bench-node nexmark lint fmt lint-tools

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make this machine able to compile plugins to WebAssembly, and to test the page
	@scripts/setup.sh $(if $(filter setup,$(MAKECMDGOALS)),,--quiet)
	@$(if $(filter setup test page,$(MAKECMDGOALS)),scripts/setup-browser.sh)

build: ## Build the program, target/release/flowgate
	cargo build $(flags) -p flowgate-cli

plugins: setup build ## Compile the plugins that come with Flowgate, where the program finds them
	@$(MAKE) --no-print-directory $(foreach dir,$(wildcard plugins/*/),plugin-$(notdir $(patsubst %/,%,$(dir))))

plugin-%:
	@$(flowgate) plugin build plugins/$* -o $(target_dir)/plugins/$*.wasm

# The program and the two plugins of that job alone, in the profile that is built in the shortest time.
demo: setup ## Run the main job on what a web server logged
	@echo "demo: 1 of 3: the program; Cargo says how many of its parts are built"
	@$(MAKE) --no-print-directory PROFILE=demo build
	@echo "demo: 2 of 3: the job's plugins"
	@$(MAKE) --no-print-directory PROFILE=demo plugin-weblog plugin-stats
	@echo "demo: 3 of 3: flowgate run examples/weblog/job.yaml --resume, with checkpoints in $(demo_checkpoints)"
	@$(target_dir)/demo/flowgate run examples/weblog/job.yaml --resume --set checkpoint='{ store: $(demo_checkpoints) }'
	@echo "demo: this program was built fast and runs slowly; \`make install\` builds and installs the optimised one"

servers: ## Bring the servers that tests of checkpoint stores start, where Python and Java are
	@CARGO_TARGET_DIR=$(target_dir) tests/servers/setup.sh

test: setup lint plugins servers ## Format, lints, unit, doc and end-to-end tests, and the tidy test
	cargo test $(flags) $(workspace)
	tests/page/run.sh $(flowgate) $(target_dir)/plugins
	@$(MAKE) --no-print-directory api

page: setup plugins ## Test the page of a node in Chromium
	tests/page/run.sh $(flowgate) $(target_dir)/plugins

api: build ## Ask a node everything that its OpenAPI document allows, and what it does not
	@CARGO_TARGET_DIR=$(target_dir) FLOWGATE_PROFILE=$(notdir $(out)) scripts/schemathesis.sh

groups: build ## Test groups of processes on a kernel that has cgroup v2, user-mode Linux, where that is installed
	@if ! command -v linux.uml >/dev/null; then \
	echo "user-mode Linux (Debian: user-mode-linux) is not installed: groups are tested only where this machine has them"; \
	else tests/groups/run.sh "$$(tests/groups/program.sh $(flags) -p flowgate-confine --lib)" this_machine_has_groups && \
	tests/groups/run.sh "$$(tests/groups/program.sh $(flags) -p flowgate-tests --test node)" groups::; fi

# Libraries that the feature shares with others get further features, and some large ones are compiled once more: not for every test.
traces: build ## Test the traces of a node, which are behind the feature `otel`
	cargo test $(flags) $(workspace) --features flowgate-node/otel --test traces

tidy: ## The tidy test alone: it compiles nothing else
	cargo test $(flags) -p flowgate-tidy

soak: plugins ## Long batteries: chained jobs 510 times on a busy machine, state with hardly any memory, idle jobs for a minute, 1,000 kills of jobs, 500 of a node
	FLOWGATE_TEST_RUNS=170 cargo test $(flags) -p flowgate --lib chained_jobs_emit_the_same
	FLOWGATE_TEST_LARGE=1 cargo test $(flags) -p flowgate --lib memory_tests
	FLOWGATE_TEST_SECONDS=60 cargo test $(flags) -p flowgate-tests --test resources -- --nocapture
	FLOWGATE_TEST_KILLS=1000 cargo test $(flags) -p flowgate-tests --test recovery -- --nocapture
	FLOWGATE_TEST_KILLS=500 cargo test $(flags) -p flowgate-tests --test node kills:: -- --nocapture
	@$(MAKE) --no-print-directory groups traces

install: plugins ## Install the program and its plugins to PREFIX, ~/.local where it is not set
	install -D $(flowgate) $(PREFIX)/bin/flowgate
	@# Names of functions are in the debug information too: the table of symbols is of no use.
	@if command -v objcopy >/dev/null; then objcopy --strip-all --keep-section='.debug_*' $(PREFIX)/bin/flowgate; fi
	install -D -m 644 -t $(PREFIX)/lib/flowgate/plugins $(target_dir)/plugins/*.wasm

image: ## Build an image with a statically linked program and nothing else; IMAGE=flowgate, BUILDER=docker or podman
	@deploy/image/build.sh $(target_dir) $(PROFILE)

bench: plugins ## Measure the wall, whole jobs, checkpoints and swaps (CHECKPOINT_BENCH_ROWS=100000: a quick look); results in target/bench
	$(flowgate) plugin build tests/bench/plugin -o $(target_dir)/bench/bench.wasm
	cargo bench $(workspace) --bench wall --bench jobs --bench checkpoint --bench swap

bench-node: plugins ## Measure a node: swaps, idle jobs, the API, a hostile neighbour (NODE_BENCH_JOBS=200); results in target/bench/node.json
	$(flowgate) plugin build tests/bench/plugin -o $(target_dir)/bench/bench.wasm
	cargo bench $(workspace) --bench node

nexmark: plugins ## Measure the Nexmark queries, NEXMARK_EVENTS=10000000, beside loops by hand; results in target/bench
	$(flowgate) plugin build tests/bench/plugin -o $(target_dir)/bench/bench.wasm
	cargo bench $(workspace) --bench nexmark

lint: lint-tools ## Format and lints, warnings as errors
	cargo fmt --all -- --check
	cargo clippy $(flags) $(workspace) --all-targets -- -D warnings
	@if command -v shellcheck >/dev/null; then shellcheck $$(git ls-files '*.sh' .ci/run); \
	else echo "shellcheck is not installed: the shell scripts are not checked"; fi

fmt: lint-tools ## Format the code
	cargo fmt --all

lint-tools:
	@{ cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy || \
	{ echo "rustfmt and clippy are missing: rustup component add rustfmt clippy" >&2; exit 1; }
