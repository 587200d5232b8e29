# Everything from a fresh clone, with nothing but Python 3.11+ and make.
#   make demo                         search on the built-in digits for two minutes, export the best
#   make test                         the test suite
#   make demo PYTHON=python3.12       with another interpreter

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
SOURCES := autosynth tests results/benchmark results/composition results/measure.py results/prepared.py
# Two test processes on two cores: one thread each, which sleeps when it has nothing to do.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest

.PHONY: help demo install test test-slow lint format clean
.DELETE_ON_ERROR:

help:
	@echo "make demo | test | test-slow | lint | format | install | clean"

demo: $(VENV)/.installed
	$(BIN)/autosynth search digits --budget 2m
	$(BIN)/autosynth export

install: $(VENV)/.installed

test: $(VENV)/.installed-dev
	$(PYTEST) -n 2 --dist worksteal $(ARGS)

test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m slow $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp a set of packages: pip runs again only when what is asked for has changed. The stamp for
# development is the other one too, so that `make demo` after `make test` installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
		"AutoSynth needs Python 3.11 or newer, and $(PYTHON) is %d.%d; " \
		"name another: make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
