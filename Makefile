# One door for every tool. `make` alone lists what it can do; nothing has to be run before.
#
# Everything happens in a virtual environment in this checkout. It is made when a target first
# needs it, and brought up to date when pyproject.toml changes:
#
#   .venv/.runtime   minikafka and what it needs to run     (enough for `make demo`)
#   .venv/.labs      and what the labs draw with             (`make labs`)
#   .venv/.notebooks and what the tutorials run with         (`make notebooks`)
#   .venv/.docs      and what builds the site                (`make docs`)
#   .venv/.dev       and what its tests and checks need
#
# PYTHON=python3.12 chooses the interpreter; JOBS=4 runs the tests in four processes; ARGS="-k fetch"
# goes to pytest, the demo or the benchmarks.

PYTHON ?= python3
JOBS ?= 3
ROUNDS ?= 20
CHAOS ?= 1
MINUTES ?= 0
SEED ?=
SEEDS ?= $(if $(SEED),0,100)
VENV := .venv
BIN := $(VENV)/bin
# A plain `pip install .` leaves build/ behind, which would shadow the sources in an editable one.
INSTALL := rm -rf build && $(BIN)/pip install --quiet --disable-pip-version-check --editable

APT := DEBIAN_FRONTEND=noninteractive timeout 60 apt-get --yes --quiet

# Tests start nodes by the hundred. Each would compile all of the code anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help check format test demo kills chaos churn fuzz crash sim mutants hostile labs \
	notebooks docs bench clean \
	check-format check-lint check-types check-imports check-tidy kcat strace

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## a leader and the controller are killed amid a million records: is one lost?
	$(BIN)/minikafka demo $(ARGS)

test: $(VENV)/.dev kcat strace ## run all tests (ARGS="-k fetch -x" goes to pytest)
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

check: check-format check-lint check-types check-imports check-tidy ## format, lint, types, imports, house rules

format: $(VENV)/.dev ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

kills: $(VENV)/.dev ## kill -9 a node a hundred times under load, workers twenty: is a record lost?
	MINIKAFKA_KILLS=100 MINIKAFKA_WORKER_KILLS=20 $(BIN)/pytest -s tests/chaos $(ARGS)

chaos: $(VENV)/.dev ## every fault on three nodes under load (CHAOS=10 each, or MINUTES=60): is a record lost?
	MINIKAFKA_CHAOS=$(CHAOS) MINIKAFKA_CHAOS_MINUTES=$(MINUTES) \
		$(BIN)/pytest -s tests/chaos/test_cluster.py $(ARGS)

churn: $(VENV)/.dev ## groups of all clients, killed and paused for 20 rounds (ROUNDS=3): is a record lost?
	MINIKAFKA_CHURN=100000 MINIKAFKA_ROUNDS=$(ROUNDS) $(BIN)/pytest -s tests/compat/test_churn.py $(ARGS)

fuzz: $(VENV)/.dev ## a million hostile inputs a target (ARGS="--seconds 30 requests" goes to it)
	@$(BIN)/pip install --quiet --disable-pip-version-check '.[fuzz]' 2> /dev/null \
		|| echo "atheris cannot be installed here"
	$(BIN)/python -m tests.fuzz $(ARGS)

crash: $(VENV)/.dev ## a million states in which the power may leave the disk: is a record lost?
	MINIKAFKA_CRASH_STATES=1000000 $(BIN)/pytest -s tests/sim/test_log_states.py \
		tests/sim/test_node_states.py $(ARGS)

sim: $(VENV)/.dev ## whole clusters under faults, from seeds: SEEDS=400 searches, SEED=17 looks at one
	$(BIN)/python -m tests.sim $(SEED) --seeds $(SEEDS) $(ARGS)

mutants: $(VENV)/.dev ## make mistakes on purpose, each in a copy of the code: do the tests find it?
	$(BIN)/python -m tests.mutants $(ARGS)

hostile: $(VENV)/.dev ## 300 s of hostile clients: does the node live, and do good clients notice?
	MINIKAFKA_HOSTILE_SECONDS=300 $(BIN)/pytest -s tests/hostile $(ARGS)

labs: $(VENV)/.labs ## the original experiments, measured here (ARGS="--scale 0.1" makes them short)
	$(BIN)/minikafka lab load-levelling $(ARGS)
	$(BIN)/minikafka lab workers $(ARGS)

notebooks: $(VENV)/.notebooks ## run the tutorials, and write those that have changed (ARGS="03" runs one)
	$(BIN)/python -m tests.tutorials.notebooks $(ARGS)

docs: $(VENV)/.docs ## build the site of the documents in build/site
	$(BIN)/python -m tests.site $(ARGS)

bench: $(VENV)/.dev ## measure this broker, and others beside it (ARGS goes to benchmarks)
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove the virtual environment and everything that tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

check-format: $(VENV)/.dev
	$(BIN)/ruff format --check .

check-lint: $(VENV)/.dev
	$(BIN)/ruff check .

check-types: $(VENV)/.dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python

check-imports: $(VENV)/.dev
	$(BIN)/lint-imports

check-tidy: $(VENV)/.dev
	$(BIN)/pytest tests/test_tidy.py

# What pip does not bring; apt-get needs root. Without them, the tests that need them are skipped.
kcat strace:
	@command -v $@ > /dev/null \
		|| { $(APT) install $@ || { $(APT) update && $(APT) install $@; }; } > /dev/null 2>&1 \
		|| echo "$@ is not installed (Debian: apt-get install $@): its tests will be skipped"

$(VENV)/.runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	@touch $@

$(VENV)/.labs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[labs]'
	@touch $(VENV)/.runtime $@

$(VENV)/.notebooks: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[notebooks]'
	@touch $(VENV)/.runtime $@

$(VENV)/.docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[docs]'
	@touch $(VENV)/.runtime $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[dev]'
	@touch $(VENV)/.runtime $@
