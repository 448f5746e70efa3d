# What a person types. Every target installs what it needs; running one twice is harmless.
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= --history 30d --rate 20 --duration 60s
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help up down demo status check test test-long test-fast chaos bench bench-store lock format install install-dev page browser proxies clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: install ## Start the whole stack on this machine and print where it listens
	@$(BIN)/weir up --detach

down: ## Stop the stack; nothing is lost
	@if [ -x $(BIN)/weir ]; then $(BIN)/weir down; else echo "Nothing is installed yet, so nothing runs."; fi

demo: install ## Send believable shop traffic through the gateway, 30 days of history first
	@$(BIN)/weir demo $(DEMO)

status: install ## What runs, what lags, what is stored
	@$(BIN)/weir status

check: install-dev page-deps ## Formats, lint, types, import directions: the same in CI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix dashboard run check

test: install-dev page browser proxies ## Every test, on a real broker, store and browser
	$(BIN)/pytest -n 3 --dist loadfile --durations 15

test-long: install-dev ## What takes minutes each: backups under load, a store that is killed again and again
	$(BIN)/pytest -m long --durations 5

test-fast: install-dev ## Tests that need no service
	$(BIN)/pytest tests/unit tests/contract -q

chaos: install-dev ## Kill every part under load, the store twenty times, an outage of Kafka with a full disk, half an hour of faults for three workers (about an hour)
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench.store_chaos
	$(BIN)/python -m bench.stream_chaos

bench: install-dev ## Measure gateway, worker and the whole path; writes the tables of docs/performance.md
	$(BIN)/python -m bench

bench-store: install-dev ## Build a store of 100 million events, goes on where it broke off, and ask it the questions of docs/store.md (hours)
	$(BIN)/python -m bench.store --home .weir/bench-store $(BENCH_STORE)

format: install-dev page-deps ## Put code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npm --prefix dashboard run format

lock: install-dev ## Pin what pyproject.toml allows, with hashes; UPGRADE=--upgrade takes the newest versions
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-emit-find-links $(UPGRADE) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-emit-find-links --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev
page-deps: dashboard/node_modules/.installed

page: dashboard/dist/index.html sdks/tracker/dist/op1.js ## Build the dashboard and the tracker script

browser: ## A chromium for the browser tests (Debian's package)
	@command -v chromium >/dev/null 2>&1 || deploy/ci/install_chromium.sh

proxies: ## nginx and Caddy for the proxy tests (Debian's packages)
	@PATH="$$PATH:/usr/sbin"; { command -v nginx && command -v caddy; } >/dev/null 2>&1 || deploy/ci/install_proxies.sh

clean: down ## Remove everything installed, built and stored here
	rm -rf $(VENV) .weir dashboard/node_modules dashboard/dist sdks/tracker/node_modules sdks/tracker/dist

$(VENV)/bin/python:
	@command -v python3 >/dev/null || { echo "Python 3.11 or newer is missing: install it and run make again."; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; this is $$(python3 --version)."; exit 1; }
	@python3 -m venv $(VENV)

$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing Python packages into .venv (minutes, the first time) …"
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing Python packages for development (a minute or two) …"
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

dashboard/node_modules/.installed: dashboard/package-lock.json
	@echo "Installing npm packages of the dashboard …"
	@npm --prefix dashboard ci --no-fund --no-audit --loglevel=error
	@touch $@

dashboard/dist/index.html: dashboard/node_modules/.installed $(shell find dashboard/src dashboard/index.html -type f 2>/dev/null)
	@echo "Building the dashboard …"
	@npm --prefix dashboard run build --silent

sdks/tracker/node_modules/.installed: sdks/tracker/package-lock.json
	@echo "Installing npm packages of the tracker script …"
	@npm --prefix sdks/tracker ci --no-fund --no-audit --loglevel=error
	@touch $@

sdks/tracker/dist/op1.js: sdks/tracker/node_modules/.installed sdks/tracker/build.mjs $(shell find sdks/tracker/src sdks/tracker/licences -type f 2>/dev/null)
	@echo "Building the tracker script …"
	@npm --prefix sdks/tracker run build --silent
