# All tasks of this checkout. `make` alone shows the targets; each target installs what it needs.

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; `make PYTHON=…` selects another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# An environment whose Python is missing, or that was created elsewhere and moved here, is created again.
STALE := $(shell grep -qsF '$(CURDIR)/$(VENV)/' $(BIN)/pip && $(BIN)/python -c '' 2>/dev/null || echo stale)
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --editable

# Tests that wait for processes benefit from running in parallel, but only up to a point.
JOBS ?= 2
# A run that takes longer than this hangs. A hanging test shows where, after two minutes.
TEST_MINUTES ?= 25
PYTEST = $(if $(shell command -v timeout),timeout --kill-after=30 $(TEST_MINUTES)m) \
	$(BIN)/python -m pytest -o faulthandler_timeout=120
# The slowest first: at the end, short tests keep all processes busy.
TESTS ?= $(wildcard tests/integration tests/browser tests/unit)

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test run import check lint types bench chaos mutants soak screenshots agents runners browser agent-clis \
	python clean stale

help: ## Show the targets
	@echo "Amplifier Swarm"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## Run a demo: a sample project, fourteen tasks, the dashboard; no model needed
	@examples/demo/run $(ARGS)

test: $(VENV)/ready-for-tests browser ## Run all tests (installs their requirements); TESTS=tests/unit for some
	$(PYTEST) -n $(JOBS) --dist worksteal $(TESTS)

run: $(VENV)/ready ## Run the swarm as a service on your project, in the foreground: make run PROJECT=/path/to/project
	@if [ -n "$(PROJECT)" ]; then SWARM_PROJECT_ROOT=$$(cd "$(PROJECT)" && pwd) || exit 2; export SWARM_PROJECT_ROOT; fi; \
	[ -n "$$SWARM_PROJECT_ROOT" ] || grep -qs '^project_root:' swarm.yaml || { \
		echo 'Which project? make run PROJECT=/path/to/project, or swarm.yaml with: project_root: /path/to/project' >&2; \
		exit 2; }; \
	amplifier-swarm dashboard --wait & exec supervisord -n -c supervisord.conf

import: $(VENV)/ready ## Import tasks into the queue of that service: make import TASKS=file.yaml
	@test -n "$(TASKS)" || { echo 'Which file? make import TASKS=file.yaml' >&2; exit 2; }
	@amplifier-swarm import-tasks "$(TASKS)"

# The conformance tests run first: they take longest.
check: TESTS := tests/agents $(TESTS)
check: lint types agent-clis test ## Run everything that CI runs: lint, format, types, all tests, the most common real agent CLIs

lint: $(VENV)/ready-for-tests ## Check style and format
	ruff check .
	ruff format --check .
	lint-imports --no-logo
	$(BIN)/python tools/frontend/check.py

types: $(VENV)/ready-for-tests ## Check types
	mypy

bench: $(VENV)/ready-for-tests ## Measure performance; ARGS=--quick for rough figures
	$(BIN)/python tests/bench/run.py $(ARGS)

chaos: $(VENV)/ready-for-tests ## Kill ten thousand processes and count what is lost; KILLS=500 for fewer
	$(BIN)/python tests/chaos/run.py $(if $(KILLS),--kills $(KILLS)) $(ARGS)

mutants: $(VENV)/ready-for-tests ## Remove one guard at a time: the tests must fail; ARGS=token for some
	$(BIN)/python tools/mutants.py $(ARGS)

soak: $(VENV)/ready-for-tests ## Run a swarm and check for leaks: make soak MINUTES=60
	$(BIN)/python tests/bench/soak.py $(MINUTES)

screenshots: $(VENV)/ready-for-tests browser ## Take the screenshots in docs/images again; ARGS=--states for every screen in six states
	$(BIN)/python tests/support/screenshots.py $(ARGS)

agents: $(VENV)/ready-for-tests ## Test real agent CLIs without a model: CLIS="claude codex" for some, LATEST=1 for the newest
	$(BIN)/python tests/agents/run.py $(CLIS) $(if $(LATEST),--latest) $(ARGS)

# They wait for daemons and time limits; on a machine that does other work they took 24 minutes.
runners: TEST_MINUTES := 90
runners: $(VENV)/ready-for-tests ## Test runners: real podman, docker and Slurm (installs them), a stand-in for kubectl; as root
	@.ci/runners $(PYTEST) -n0 -s tests/runners $(ARGS)

clean: ## Remove everything that was built, installed or left by demos; keeps databases
	rm -rf $(VENV) .agent-clis .frontend-tools var/demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ───── requirements of the targets ─────

python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian type: sudo apt-get install python3-venv" >&2; exit 1; }

$(VENV)/pyvenv.cfg: $(STALE) | $(if $(STALE),python)
	@echo 'Preparing $(VENV) …'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml $(VENV)/pyvenv.cfg
	@echo 'Installing …'
	@$(INSTALL) .
	@touch $@

$(VENV)/ready-for-tests: pyproject.toml $(VENV)/pyvenv.cfg
	@echo 'Installing, with what the tests need …'
	@$(INSTALL) '.[test]'
	@touch $@ $(VENV)/ready

browser:
	@.ci/browser

# A package registry that does not respond is not a failure here: the tests that need the CLIs are skipped with a message.
agent-clis: $(VENV)/ready-for-tests
	@$(BIN)/python tests/agents/run.py --install || [ $$? -eq 69 ]
