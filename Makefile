# One command each; `make help` lists them.  Everything happens in .venv, made on first use.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := build/demo
NET    := --layers 64,32,10 --activation tanh --loss cross-entropy

# The tests run in two processes: more threads than that would only fight for the cores.  Bytecode is kept, whatever a
# container says: without it each of the many processes that they start compiles the package anew.
TEST_ENVIRONMENT := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 PYTHONDONTWRITEBYTECODE=
WORKERS ?= 2

.PHONY: help
help:  ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-13s %s\n", $$1, $$2 }'

# Stamps: pip runs again only when the packaging changed.  The demo needs no development tools and does not wait for them.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

.PHONY: demo
demo: $(VENV)/.installed  ## derive, generate and verify on the digits data; figure in build/demo
	@mkdir -p $(DEMO)
	$(BIN)/eomsym derive --order 4
	$(BIN)/eomsym generate mlp $(NET) --order 4 --output $(DEMO)
	$(BIN)/eomsym verify --dataset digits $(NET) --orders 0:4 --plot $(DEMO)/convergence.png

.PHONY: style
style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: lint
lint: style  ## style and types
	$(BIN)/mypy

# Types are checked beside the tests: they leave a core idle now and then.
.PHONY: test
test: style  ## style, types and the fast tests
	@mkdir -p build
	$(BIN)/mypy >build/types.txt 2>&1 & types=$$!; status=0; \
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow' || status=$$?; \
	wait $$types || status=$$?; cat build/types.txt; exit $$status

# With JAX and PyTorch, so that nothing is skipped for want of them.
$(VENV)/.installed-all: pyproject.toml $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,jax,torch]'
	touch $@

.PHONY: coverage
coverage: $(VENV)/.installed-all  ## lines and branches of eomsym that the fast tests reach; at least 95 %
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m 'not slow' --cov --cov-report=term

# What is needed at run time as old as pyproject.toml allows it, and a pyparsing that does not warn of the names by which
# that matplotlib calls it: a warning fails a test.
MINIMUM := .venv-minimum

$(MINIMUM)/.installed: pyproject.toml
	$(PYTHON) -m venv $(MINIMUM)
	$(MINIMUM)/bin/python -c "import tomllib; \
	  needs = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
	  print(*(need.replace('>=', '==') for need in needs), 'pyparsing<3.3', sep='\n')" > $(MINIMUM)/oldest.txt
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(MINIMUM)/oldest.txt --editable '.[dev]'
	touch $@

.PHONY: minimum
minimum: $(MINIMUM)/.installed  ## the fast tests with the oldest versions that are allowed
	$(TEST_ENVIRONMENT) $(MINIMUM)/bin/python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow'

.PHONY: test-slow
test-slow: $(VENV)/.installed-dev $(VENV)/.installed-docs  ## the tests that take minutes
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow

.PHONY: quickstart
quickstart: $(VENV)/.installed-dev  ## the tutorial and one verification where nothing but the wheel and what it requires is installed
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -m slow tests/test_packaging.py::test_declared_dependencies_suffice tests/test_docs.py::test_the_tutorial_as_a_new_user

# One to two minutes of processor time each, so about half an hour on two cores.
.PHONY: mutations
mutations: $(VENV)/.installed-dev  ## plant faults in the package and see the tests catch them
	PYTHONPATH=tests/support $(BIN)/python -m mutations --jobs $(WORKERS)

FUZZ_INPUTS ?= 10000

.PHONY: fuzz
fuzz: $(VENV)/.installed-dev  ## hostile text for every entrance, FUZZ_INPUTS each; prints a table
	$(TEST_ENVIRONMENT) PYTHONPATH=.:tests/support $(BIN)/python -m fuzzing $(FUZZ_INPUTS)

# Peers that are not installed in the Python that runs it are skipped by name: `make bench BENCH_PYTHON=...` for another.
BENCH_PYTHON ?= $(BIN)/python

.PHONY: bench
bench: $(VENV)/.installed  ## time kernels, peers, trees and start-up; prints tables
	$(BENCH_PYTHON) -m benchmarks

.PHONY: bench-quick
bench-quick: $(VENV)/.installed  ## the same, smaller, in under three minutes
	$(BENCH_PYTHON) -m benchmarks --quick

.PHONY: bench-results
bench-results: $(VENV)/.installed  ## the whole run into benchmarks/RESULTS.md
	$(BENCH_PYTHON) -m benchmarks --write

.PHONY: reproductions
reproductions: $(VENV)/.installed-all  ## published results made again: numbers, pictures and pages of docs/reproductions
	$(TEST_ENVIRONMENT) $(BIN)/python -m benchmarks.reproductions

# Other people's programs, in an environment of their own: they are large, and their presence would change the tests.
ORACLES := .venv-oracles

$(ORACLES)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[oracles]'
	touch $@

.PHONY: oracles
oracles: $(ORACLES)/.installed  ## the project against kauri, heyoka, JAX, mpmath and FLINT; prints a table
	$(TEST_ENVIRONMENT) PYTHONPATH=.:tests/support $(ORACLES)/bin/python -m oracles

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs,notebooks]'
	touch $@ $(VENV)/.installed

# The source folder is the repository, so that links between docs, notebooks and benchmarks hold.
.PHONY: docs
docs: $(VENV)/.installed-docs  ## the documentation, into build/docs
	$(BIN)/sphinx-build -W --keep-going -q -d build/doctrees -c docs . build/docs
	@echo build/docs/index.html

# The text forms are what is edited; outputs come from a run.
.PHONY: notebooks
notebooks: $(VENV)/.installed-docs  ## run the notebooks, as their text forms in notebooks/*.py say
	$(BIN)/jupytext --quiet --update --to ipynb notebooks/*.py
	$(BIN)/jupyter nbconvert --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

$(VENV)/.installed-release: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[release]'
	touch $@

.PHONY: dist
dist: $(VENV)/.installed-release  ## source distribution and wheel, into dist, checked
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

.PHONY: clean
clean:  ## remove what make, tests and builds leave behind
	rm -rf $(VENV) $(ORACLES) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
