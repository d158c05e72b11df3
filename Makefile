# Commands of this repository. `make help` lists them; every one but `setup` sets up what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo docs test thorough check format bench clean

help: ## List these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: .venv/.installed ## Make .venv with the automem command in it (and system packages, as root on Debian)
	@setup/system-packages.sh

.venv/.installed: pyproject.toml constraints.txt setup/system-packages.txt setup/system-packages.sh
	@setup/system-packages.sh --required-only
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or newer is needed, $(PYTHON) is older: make setup PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setup: installing the pinned packages into .venv (about two minutes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[cluster,dev,embedded,nethack,training,view]'
	@touch $@

demo: setup ## The whole cycle offline: play four worlds, loop 1, loop 2 with a real training (ten minutes or so)
	@$(BIN)/automem demo

docs: setup ## Build the site of docs/ in build/site (installs the extra docs)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "docs: $(BIN)/python -m http.server --directory build/site"

test: setup ## Run the test suite (no network, no account; about ten minutes on 2 cores)
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

thorough: setup ## The same suite with several times as many examples, kills and seeds (half an hour)
	@AUTOMEM_TESTS=thorough $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: setup ## Lint and type-check
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup ## Format the code and sort its imports
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: setup ## Measure the figures we promise (ratios within one run; minutes)
	@$(BIN)/python -m benchmarks

clean: ## Remove .venv and caches; runs/ stays
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .langgraph_api
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
