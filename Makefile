# Roost: `make run` starts everything, `make test` proves it. Each line of `make help` is a target.
#
# Programs, tests and benchmarks share one build configuration: another set of flags would compile all packages again.
# Same flags everywhere: release, and tests that use no @testable import.

# A terminal must not change them either: with colours, the compiler takes another flag and compiles everything again.
SWIFT_BUILD := swift build -c release --no-color-diagnostics
# One at a time: on two cores the long simulations starve the tests that wait for a socket. It takes half a minute.
SWIFT_TEST := swift test -c release --no-color-diagnostics --disable-testable-imports --no-parallel
BIN := .build/release
VENV := .venv
# make run ARGS="--nodes 3 --signals 2"
ARGS ?=

.NOTPARALLEL:
.PHONY: help run build test lint format generate fresh unit fuzz sanitize system without-browsers with-browsers test-deploy clean-run packages test-packages

help: ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

run: packages build ## installs what is missing, builds, and starts everything; prints one URL
	@exec $(BIN)/roost up $(ARGS)

build: ## builds all programs
	@deploy/install swift
	@echo "Building; the first time compiles all packages (8 to 10 minutes on 2 cores), later only what changed."
	@$(SWIFT_BUILD)

test: test-packages lint build fresh without-browsers with-browsers ## everything that must pass

packages:
	@deploy/install packages run

test-packages:
	@deploy/install packages run test

lint: ## checks the format of all Swift files
	@swift format lint --strict -r Package.swift Services Shared Tests deploy

format: ## formats all Swift files
	@swift format -i -r Package.swift Services Shared Tests deploy

generate: build ## makes the code of the bus messages and docs/configuration.md anew
	@Shared/Messages/generate
	@deploy/configuration-table > docs/configuration.md

fresh: build ## checks that generated files are what `make generate` would write
	@Shared/Messages/generate --check
	@deploy/configuration-table | diff -u docs/configuration.md - \
		|| { echo "docs/configuration.md is stale: run make generate"; exit 1; }

unit: build ## the Swift tests
	@$(SWIFT_TEST)

fuzz: ## runs each fuzz entry point for a short while, and replays old crashes
	@Tests/Fuzz/run

# Not part of `make test`: all that it runs is compiled once more for each of the two sanitizers.
sanitize: ## tests under AddressSanitizer, then ThreadSanitizer; fails on any report
	@deploy/install swift
	@Tests/Sanitize/run

without-browsers: build $(VENV)/ready ## the system tests that need no browser, the Swift tests and fuzzing, at once
	@Tests/without-browsers $(SWIFT_TEST)

with-browsers: build $(VENV)/ready ## the system tests with browsers
	@Tests/system with-browsers -m browser

system: build $(VENV)/ready ## real processes, Redis and browsers
	@$(VENV)/bin/python -m pytest Tests

$(VENV)/ready: Tests/requirements.txt
	@python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r Tests/requirements.txt
	@touch $@

bench-%: build $(VENV)/ready ## bench-bus, bench-call, bench-growing, bench-turn, bench-sfu: prints a table, writes .bench/NAME.json
	@mkdir -p .bench
	@Tests/Bench/bench-$*

test-deploy: build $(VENV)/ready ## builds the container images and starts them once; boots the systemd units once; needs root
	@deploy/install packages run test deploy
	@deploy/test

clean-run: ## removes the run folder of `make run`
	@rm -rf .run
