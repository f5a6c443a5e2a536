# PayBridge. Only Go and make are needed; `make help` says what each target is for.
# Written for make 3.81 and bash 3.2, so that it runs on macOS as it is.

SHELL := /bin/bash
.SHELLFLAGS := -c
.DEFAULT_GOAL := help

PAYMENTS ?= 20000
TOOL := go tool -modfile=tools/go.mod

.PHONY: help run demo build test check lint generate generate-check fuzz mutants soak bench readme-check walk-check clean

help: ## Say what each target is for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

run: build ## Build, then start the gateway with a simulated WeChat and a page that explains itself
	@bin/paybridge dev

demo: build ## Build, then play a payment and its refund without a person; fails on any surprise
	@bin/paybridge demo

build: ## Build the programs and plugins into bin/ and pin the plugins by hash
	@scripts/build.sh

test: ## Run every test, on SQLite and on PostgreSQL, with the race detector
	@scripts/with-postgres.sh scripts/test.sh

check: lint generate-check ## Run this before each commit: lint, generated code, the short tests on SQLite
	@go test -short ./...

lint: ## Check the form of the code: gofmt, go vet, golangci-lint
	@scripts/gofmt-check.sh
	@go vet ./...
	@$(TOOL) golangci-lint run

generate: ## Make the generated code again (the plugin contract, the HTTP API)
	@scripts/generate.sh

generate-check: ## Fail when the generated code is not what its sources give
	@scripts/generate.sh --check

soak: build ## Prove that no money is lost: many payers while everything goes wrong, on both databases (PAYMENTS=20000)
	@bin/paybridge soak --payments $(PAYMENTS)
	@scripts/with-postgres.sh bin/paybridge soak --payments $(PAYMENTS) --postgres env:PAYBRIDGE_TEST_POSTGRES_DSN

mutants: ## Show that each of the deliberately broken builds is caught by a named rule or invariant
	@go run ./internal/mutants/run

fuzz: ## Fuzz every parser of outside bytes for a short while (FUZZTIME=10s each)
	@scripts/fuzz.sh

bench: build ## Measure speed and memory on SQLite and PostgreSQL; prints the raw rounds
	@PAYBRIDGE_TEST_POSTGRES_FSYNC=on scripts/with-postgres.sh go run ./internal/bench

readme-check: ## Run the README's commands, line by line
	@scripts/readme-check.sh

walk-check: ## Run the commands of docs/adding-a-channel.md, on a copy of the project
	@scripts/walk-check.sh

clean: ## Remove what the build made
	@rm -rf bin coverage.out coverage.html
