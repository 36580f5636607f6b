# Everything happens in .venv inside the clone. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Without compiled modules every process that a test starts would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PROCESSES ?= 2
# What a wait that ran out on a busy machine looks like, and a file that another process took away at that moment: such
# a test gets a second try, and the report names it.
WAITED := 'Timeout|timed out|did not come to pass|Connection|No such file'
SHARED := $(or $(EARWITNESS_SHARED),../shared)
INSTALL := $(PIP) install -qq --require-hashes --no-deps --only-binary :all: -r

.PHONY: help setup dev qwen caption serve test check fix docs licences dist bench bench-quick check-upstreams soak lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# --- environment ---------------------------------------------------------------------------------------------------

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is needed; say PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: requirements/build.txt requirements/server.txt pyproject.toml | $(BIN)/python
	@echo "setup: installing the program and its libraries into $(VENV) (about 700 MB, once)"
	$(INSTALL) requirements/build.txt
	$(INSTALL) requirements/server.txt
	$(PIP) install -qq --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.setup
	@echo "setup: installing the tools for tests and checks"
	$(INSTALL) requirements/dev.txt
	@touch $@

setup: $(VENV)/.setup ## the program and its environment; afterwards .venv/bin/earwitness is the command

$(VENV)/.qwen: requirements/qwen.txt $(VENV)/.setup
	@echo "setup: installing torch and transformers for the engine qwen (about 1 GB, once)"
	$(INSTALL) requirements/qwen.txt
	$(PIP) install -qq --no-deps torch==2.13.0
	@touch $@

qwen: $(VENV)/.qwen ## setup, and what the engine qwen needs

dev: $(VENV)/.dev ## setup, and what tests and checks need

# --- use -----------------------------------------------------------------------------------------------------------

caption: $(VENV)/.setup ## caption a recording: make caption AUDIO=FILE
	@test -n "$(AUDIO)" || { echo 'make: say which recording: make caption AUDIO=FILE'; exit 2; }
	@$(BIN)/earwitness caption "$(AUDIO)"

serve: $(VENV)/.setup ## start the server on 127.0.0.1:8000
	@exec $(BIN)/earwitness serve

# --- work on it ----------------------------------------------------------------------------------------------------

check: $(VENV)/.dev ## lint, format, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fix: $(VENV)/.dev ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## write the pages that come from the program and its results
	for page in settings commands python_api http_api licences; do $(BIN)/python docs/$$page.py; done
	$(BIN)/python -m bench.report

licences: $(VENV)/.dev ## the licences of packages and models, into docs/licences.md
	$(BIN)/python docs/licences.py

dist: $(VENV)/.setup ## wheel and source archive, into dist/
	rm -rf dist
	$(BIN)/hatchling build

test: check ## checks and all tests, in PROCESSES=2 processes; says what it left out (REQUIRE_ALL=1: a missing part is a failure)
	@$(BIN)/earwitness models pull
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --reruns 1 --only-rerun $(WAITED) --durations=15

soak: $(VENV)/.dev ## the long runs: fuzzing, kills, long clips, in full
	SOAK=1 $(BIN)/pytest -m slow --timeout=7200

bench: $(VENV)/.dev ## measure everything beside its peer: bench/results and docs/benchmarks.md
	$(BIN)/python -m bench.run

bench-quick: $(VENV)/.dev ## the same, shortened to ten minutes
	$(BIN)/python -m bench.run --quick

check-upstreams: $(VENV)/.dev $(VENV)/.qwen ## the engine upstream against a real vLLM and transformers serve (3.5 GB, once)
	$(BIN)/python -m bench.check_upstreams

lock: $(VENV)/.dev ## compile requirements/*.in to hash-pinned *.txt without addresses
	for name in build core server redis s3 traces postgres bulk ray dev; do \
	  $(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --allow-unsafe \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	    requirements/$$name.in --output-file requirements/$$name.txt; done
	$(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --override requirements/qwen.override \
	  --constraint requirements/dev.txt requirements/qwen.in --output-file requirements/qwen.txt

clean: ## remove the environment and all caches of tools (models stay)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
