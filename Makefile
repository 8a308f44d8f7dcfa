# The shop: what a new user, a developer and CI call. `make` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV ?= $(BIN)/uv
STAMP := $(VENV)/.installed
TRAIN_VENV := .venv-train
TRAIN_BIN := $(TRAIN_VENV)/bin
TRAIN_STAMP := $(TRAIN_VENV)/.installed
RECIPE ?= default
DATA ?= data

.DEFAULT_GOAL := help
.PHONY: help install demo test servers bench check install-train train test-train lock wheel clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: $(STAMP) ## make .venv with the locked dependencies and this project

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Headcount needs Python 3.11 or later; name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -q -y python3-venv; } || \
	  { echo "$(PYTHON) has no venv module; install it first (Debian, Ubuntu: apt-get install python3-venv)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## count the visits of a clip that is made on the spot
	$(BIN)/headcount run --demo

test: install ## run all tests, PYTEST_OPTIONS="-x tests/contract" some of them
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

servers: ## install what tests with real servers need: Java, Maven, PostgreSQL 15 (Debian 12, as root)
	.ci/servers $(PYTHON)

bench: install ## print how fast it is here, BENCH="plumbing --json figures.json" a part of it (an hour; docs/benchmarks.md)
	$(BIN)/python -m tests.bench $(BENCH)

check: install ## lint, format, types, layers, unit tests: under two minutes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit

install-train: $(TRAIN_STAMP) ## make .venv-train, with torch, for what trains the models (a download of 2 GB)

$(TRAIN_STAMP): requirements-train.lock $(STAMP)
	$(PYTHON) -m venv --without-pip $(TRAIN_VENV)
	$(UV) pip install --quiet --python $(TRAIN_BIN)/python --require-hashes --no-deps -r requirements-train.lock
	$(UV) pip install --quiet --python $(TRAIN_BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

train: install-train ## from labelled faces to a model with its card, RECIPE=default DATA=../data (hours; docs/training.md)
	$(TRAIN_BIN)/headcount-train train $(RECIPE) --data $(DATA)
	$(TRAIN_BIN)/headcount-train release $(RECIPE) --data $(DATA)

test-train: install-train ## types and tests of training/
	$(TRAIN_BIN)/mypy training tests/training/*.py
	OMP_NUM_THREADS=1 $(TRAIN_BIN)/python -m pytest --confcutdir=tests/training tests/training $(PYTEST_OPTIONS)

lock: install ## resolve the dependencies again, hashed and without an address
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra demo --extra openvino --group dev --output-file requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra train --extra demo --extra openvino --group dev --constraint requirements.lock --no-emit-package triton \
	  --output-file requirements-train.lock pyproject.toml # torch needs triton for torch.compile on GPUs only, and it is 1 GB
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-deps --output-file services/stack/triton.lock services/stack/triton.in

wheel: install ## build dist/headcount-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove what make has made
	rm -rf $(VENV) $(TRAIN_VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
