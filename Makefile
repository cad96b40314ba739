# make demo       a small sweep on generated data, from nothing but a Python
# make setup      .venv alone; the program is then .venv/bin/segsweep
# make test       set-up, linters, types and all tests      make test PYTEST_ARGS="-k confusion"
# make test-all   the same, with every encoder
# make test-fast  the tests that take seconds
# make lint       ruff and mypy
# make lock       constraints.txt again, from pyproject.toml  make lock LOCK_ARGS=--upgrade
# make clean      removes .venv, builds and caches; mlruns/ stays
#
# PYTHON=/path/to/python chooses the interpreter; without it the first that works of these:
PYTHONS := python3.11 python3.12 python3.13 python3
PYTHON ?=

BIN := .venv/bin
STAMP := .venv/.installed
PYTEST_ARGS ?= -n 2 --dist loadscope
LOCK_ARGS ?=

.DEFAULT_GOAL := setup
.PHONY: setup demo test test-all test-fast lint lock clean FORCE

setup: $(STAMP)

demo: setup
	$(BIN)/segsweep run -m experiment=quickstart
	@$(BIN)/segsweep report --format html --output mlruns/report.html --force
	@echo "HTML report: $(CURDIR)/mlruns/report.html"

test: lint
	$(BIN)/pytest $(PYTEST_ARGS)

test-all: lint
	$(BIN)/pytest -m "" $(PYTEST_ARGS)

test-fast: setup
	$(BIN)/pytest -m "not slow"

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --output-file constraints.txt --quiet --universal --python-version 3.11 \
	    --all-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links $(LOCK_ARGS)
	@if grep -nE '://|^-' constraints.txt; then echo 'segsweep: error: constraints.txt holds an address or an option' >&2; exit 1; fi

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last: without it the set-up runs again, over whatever a broken one left behind.
# An environment is kept if its pip runs and its Python is the one asked for. Whether an interpreter starts at all (a
# pyenv shim may have no version behind it) is only known by trying.
$(STAMP): pyproject.toml constraints.txt $(if $(PYTHON),FORCE)
	@supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
	version='import sys; print(*sys.version_info[:2], sep=".")'; \
	fail() { echo "segsweep: error: $$1" >&2; exit 1; }; \
	python=; incomplete=; \
	for candidate in $(or $(PYTHON),$(PYTHONS)); do \
	    "$$candidate" -c "$$supported" 2>/dev/null || continue; \
	    if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python=$$candidate; break; fi; \
	    incomplete=$${incomplete:-$$candidate}; \
	done; \
	if [ -z "$$python" ]; then \
	    [ -z "$$incomplete" ] || fail "$$incomplete cannot make virtual environments; on Debian and Ubuntu: apt-get install python$$("$$incomplete" -c "$$version")-venv"; \
	    fail "no Python 3.11, 3.12 or 3.13 among: $(or $(PYTHON),$(PYTHONS)); install one, or give PYTHON=/path/to/python"; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 \
	    || ! $(BIN)/python -c "$$supported" \
	    || { [ -n "$(PYTHON)" ] && [ "$$($(BIN)/python -c "$$version")" != "$$("$$python" -c "$$version")" ]; }; then \
	    rm -f $@; \
	    echo "segsweep: making .venv with $$python ($$("$$python" -c "$$version"))"; \
	    "$$python" -m venv --clear .venv; \
	fi
	@rm -f $@
	@echo 'segsweep: installing the pinned packages; the first time this takes minutes'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@
