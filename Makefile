# Everything here needs Python (3.11 or newer), make and a compiler; each target sets up what it
# uses in .venv by itself. `make` alone tells what there is.

PYTHON ?= python3
FREE_THREADED_PYTHON ?= python3.13t
SECONDS ?= 20
ARGS ?=

VENV := .venv
FT_VENV := .venv-ft
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check -qq
PEER := .bench-peer
PEER_VERSION := task-virtualthread==0.0.3
SPHINX := $(PY) -m sphinx -W --keep-going -q

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-free-threaded check bench docs format clean

help:
	@echo "task_thread: trees of long-running threads of asyncio tasks"
	@echo
	@echo "Start here:"
	@echo "  make demo     a telemetry gateway on this machine's own metrics: $(SECONDS) s of live progress,"
	@echo "                one of its threads crashed half-way, then a summary; exits 0 only if every"
	@echo "                frame that came in was written   (make demo SECONDS=5: a shorter one)"
	@echo "  make test     the tests            (ARGS='-k inbox -x': pass on to pytest)"
	@echo
	@echo "When you change something:"
	@echo "  make format   put the source into its one format"
	@echo "  make check    style, types (two checkers), who imports whom, the documentation"
	@echo "  make docs     the documentation as HTML, in docs/_build/html"
	@echo "  make bench    measure against bare asyncio and the peers: takes a while, wants a quiet"
	@echo "                machine         (ARGS='--quick': a trial run, ARGS='--write': into the docs)"
	@echo "  make test-free-threaded FREE_THREADED_PYTHON=python3.13t"
	@echo "                the tests with the interpreter lock off"
	@echo "  make clean    remove all that make has made"
	@echo
	@echo "Each sets up .venv by itself; PYTHON=python3.13 make test takes another interpreter"
	@echo "(after make clean). See CONTRIBUTING.md."

demo: $(VENV)/.ready-demo
	@$(PY) -m examples.gateway --seconds $(SECONDS) $(ARGS)

test: $(VENV)/.ready-test
	@$(PY) -m pytest tests --ignore=tests/benchmarks $(ARGS)

# uvloop needs the interpreter lock, and newer versions of hypothesis and typer bring Rust that has no wheel
# for these interpreters; the tests of the project itself need tools with the same trouble.
test-free-threaded: $(FT_VENV)/.ready
	@$(FT_VENV)/bin/python -X gil=0 -m pytest tests/app/tasks tests/app/pools tests/app/durable tests/flows \
	    tests/core tests/supervision tests/proof tests/testing tests/monitor tests/control \
	    tests/examples $(ARGS)

check: $(VENV)/.ready-dev
	@echo "ruff check";    $(PY) -m ruff check --quiet
	@echo "ruff format";   $(PY) -m ruff format --check --quiet
	@echo "mypy";          $(PY) -m mypy --no-error-summary
	@echo "pyright";       $(PY) -m pyright
	@echo "lint-imports";  $(VENV)/bin/lint-imports --no-cache
	@echo "sphinx html";   $(SPHINX) -b html docs docs/_build/html
	@echo "sphinx doctest"; $(SPHINX) -b doctest docs docs/_build/doctest
	@echo "check: all is well"

bench: $(VENV)/.ready-bench $(PEER)/.ready
	@$(PY) -m tests.benchmarks $(ARGS)

docs: $(VENV)/.ready-docs
	@$(SPHINX) -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

format: $(VENV)/.ready-dev
	@$(PY) -m ruff check --fix --quiet; $(PY) -m ruff format --quiet

clean:
	rm -rf $(VENV) $(FT_VENV) $(PEER) docs/_build dist .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each extra: `make demo` need not wait for the tools of `make check`.
$(VENV)/.ready-%: pyproject.toml | $(VENV)/.created
	@echo "setting up $(VENV) for: $*"
	@$(PIP) --editable '.[$*]'
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("task_thread needs Python 3.11 or newer; say which with PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(FT_VENV)/.ready: pyproject.toml
	@$(FREE_THREADED_PYTHON) -c 'import sysconfig, sys; sysconfig.get_config_var("Py_GIL_DISABLED") or sys.exit("no free-threaded Python: say which with FREE_THREADED_PYTHON=...")'
	@$(FREE_THREADED_PYTHON) -m venv $(FT_VENV)
	@echo "setting up $(FT_VENV)"
	@$(FT_VENV)/bin/python -m pip install --disable-pip-version-check -qq \
	    --editable '.[app,cli,demo,testing]' pytest-timeout 'hypothesis<6.140' 'typer<0.16'
	@touch $@

# The original library installs a package of this one's import name, so it never goes into .venv.
$(PEER)/.ready: Makefile | $(VENV)/.ready-bench
	@rm -rf $(PEER)
	@$(PIP) --no-deps --target $(PEER) $(PEER_VERSION)
	@touch $@
