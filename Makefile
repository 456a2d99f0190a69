# make demo and make test are all that a new user needs; each does its own set-up.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
AGREEMENT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wardgate/agreement-$(shell cksum < tests/agreement/package-lock.json 2>/dev/null | cut -d' ' -f1)
STAMP := $(VENV)/.setup-$(shell cat requirements-dev.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup system-packages model-servers demo test test-corpus test-agreement check lint types contracts secrets advisories sbom unit proof bench lock clean

setup: $(STAMP)

$(STAMP):
	@test -n "$(PYTHON)" || { echo "wardgate needs Python 3.11 or later: install it, or run make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What tests need besides Python: named, and installed where that is possible, in this one step.
system-packages:
	@bash tests/system-packages.sh

# The real model servers that the tests start, each in an environment of its own, in the user's cache.
model-servers: setup
	@$(BIN)/python -m tests.environments

demo: setup
	$(BIN)/wardgate demo

# What looks at the clock has the cores to itself. The rest shares them, in one process more than there are: many wait
# for servers. In the order of the folders, so that the long ones of e2e do not come last.
ALONE := tests/e2e/test_chaos.py tests/e2e/test_flat_memory.py tests/contract/test_hot_store.py $(addprefix tests/laws/,test_law_01_never_waits.py test_law_02_only_the_pinned_model.py test_law_05_recorded.py)
test: setup system-packages model-servers
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations 15 $(addprefix --ignore=,$(ALONE))
	$(BIN)/python -m pytest -q --durations 15 $(ALONE)

# Real requests, feedback and patients of your own: make test-corpus CORPUS=DIR, or WARDGATE_CORPUS=DIR for all of the
# tests. How the folder is laid out: tests/corpus/test_gateway_corpus.py.
CORPUS ?= $(WARDGATE_CORPUS)
test-corpus: setup
	@test -n "$(CORPUS)" || { echo "say which folder: make test-corpus CORPUS=DIR"; exit 1; }
	@test -d "$(CORPUS)" || { echo "there is no folder $(CORPUS)"; exit 1; }
	$(BIN)/python -m pytest -q tests/corpus --corpus "$(CORPUS)"

# The FHIR simulator beside another FHIR server, from npm (Node.js 20.19 or later): make test-agreement [CORPUS=DIR]
test-agreement: setup $(AGREEMENT)/node_modules
	$(BIN)/python -m pytest -q -s tests/agreement --agreement "$(AGREEMENT)" $(if $(CORPUS),--corpus "$(CORPUS)")

$(AGREEMENT)/node_modules:
	@command -v npm >/dev/null || { echo "this needs Node.js 20.19 or later with npm: install it with your system's package manager"; exit 1; }
	mkdir -p "$(AGREEMENT)" && cp tests/agreement/package.json tests/agreement/package-lock.json "$(AGREEMENT)"
	cd "$(AGREEMENT)" && npm ci --ignore-scripts --no-audit --no-fund || { rm -rf "$(AGREEMENT)"; exit 1; }

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports --no-cache

# What looks like a secret in files that git has or would take, and nobody has reviewed.
secrets: setup
	@$(BIN)/python -m tests.supply_chain.secret_scan

# Known vulnerabilities of what is locked. Without a database in reach it says so, and fails nothing.
advisories: setup
	@$(BIN)/python -m tests.supply_chain.advisories

# The bill of materials of what runs, CycloneDX, with licences.
sbom: setup
	@$(BIN)/python -m tests.supply_chain.sbom build/sbom.cdx.json

# The tests come last, so that their closing line is the last word.
check: lint types contracts secrets advisories test

# FUZZ says how many mutated bodies are sent; a million take some ten minutes on an idle machine.
FUZZ ?= 1000000
proof: setup system-packages model-servers
	$(BIN)/python -m pytest -q --hypothesis-profile proof --fuzz $(FUZZ)

bench: setup
	$(BIN)/python -m bench
	$(BIN)/python -m bench.layers

lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra pyreqwest --extra fhirpath -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra pyreqwest --extra fhirpath --extra parquet --extra demo --group dev -c requirements.lock -o requirements-dev.lock
	for name in mlserver mlflow; do uv pip compile tests/envs/$$name.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o tests/envs/$$name.lock || exit 1; done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
