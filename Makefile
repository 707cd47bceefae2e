# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo    opens the cockpit on an embedded shop that is broken
#   make test    installs what the tests need, starts private servers, runs every check

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCENARIO ?=
ROLE ?=
PYTEST ?=
FUZZ ?=
PATHS ?=

.PHONY: demo test check lint types imports tests servers bench floors fuzz paths members snapshots docs record scenarios screenshots house clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [SCENARIO=checkout-lock] [ROLE=triage]   open the cockpit on the broken shop"
	@echo "make test                                         run every check and test"
	@echo "make check                                        ruff, mypy, import contracts"
	@echo "make bench                                        print the performance table"
	@echo "make floors                                       test with the oldest versions that are allowed"
	@echo "make fuzz                                         10,000 random answers of AWS for every probe"
	@echo "make paths                                        5,000 paths through random VPCs against packets"
	@echo "make snapshots                                    accept the screens as they are now"
	@echo "make docs | record | screenshots                  write the generated pages, recordings made by hand, pictures"
	@echo "make scenarios                                    play every scenario at the real screens, to its repair"
	@echo "make house                                        print packages, what leans on what, and circles"

demo: $(VENV)/.demo
	@$(BIN)/cockpit $(if $(ROLE),--role $(ROLE)) demo $(SCENARIO)

# The types take a minute on one core and say one line at their end: the tests begin meanwhile.
test: lint imports servers
	@$(MAKE) --no-print-directory -j 2 types tests

check: lint types imports

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

servers: $(VENV)/.dev
	@$(BIN)/python -m tests.tools.servers

# They wait more than they work: four at once on two cores, of 0.6 GB each; see tests/order.py. What failed is run once more, alone, and told; see tests/tools/twice.py.
# They start the cockpit several hundred times: it is compiled once for all, also where the environment says that nothing is.
tests: export PYTHONDONTWRITEBYTECODE =
tests: $(VENV)/.dev
	@$(BIN)/python -m compileall -q cockpit probes screens
	$(BIN)/python -m tests.tools.twice --most 8 -- -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST)

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

floors:
	$(PYTHON) -m venv $(VENV)-floors
	$(PYTHON) tests/tools/floors.py > $(VENV)-floors/constraints.txt
	$(VENV)-floors/bin/pip install -q --disable-pip-version-check -c $(VENV)-floors/constraints.txt -e '.[dev]'
	$(VENV)-floors/bin/python -m pytest -q -n 2 --dist loadfile tests/core tests/probes $(PYTEST)

# New random answers for every AWS probe; a seed that is printed shows a fault again: FUZZ='--seed WORD --probe ID'.
fuzz: $(VENV)/.dev paths
	$(BIN)/python -m tests.fuzz $(FUZZ)

# New random VPCs: the verdict about each path against packets that a program of its own sends through it.
paths: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.paths $(PATHS)

# Not a check of every change: a newer botocore may come any day.
members: $(VENV)/.dev
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --upgrade --target $(VENV)-newest botocore
	$(BIN)/python -m tests.tools.newer_members $(VENV)-newest/botocore/data

# Every generated page: each generator is `python -m tests.tools.NAME`, and a test holds what it writes.
docs: $(VENV)/.dev
	@for page in coverage_table settings_table codes_pages keys_page rights_page man_page config_schema scenarios_page; do \
	  echo "writing by tests.tools.$$page"; $(BIN)/python -m tests.tools.$$page || exit 1; done

record: $(VENV)/.dev
	@for looks in handmade handmade_events handmade_compute handmade_objectives handmade_report handmade_members; do \
	  $(BIN)/python -m tests.tools.$$looks || exit 1; done

# Every repair at the real screens, by keys; takes minutes. SCENARIO='lambda-oom stolen-key' plays these only.
scenarios: $(VENV)/.dev
	$(BIN)/python -m tests.tools.play_scenarios $(SCENARIO)

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.tools.screenshots

house: $(VENV)/.dev
	@$(BIN)/python -m tests.tools.house

snapshots: $(VENV)/.dev
	$(BIN)/python -m pytest tests/screens --snapshot-update $(PYTEST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; try: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "installing the cockpit and its embedded shop into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	@echo "installing the cockpit and its tools into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) $(VENV)-floors .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
