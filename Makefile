# Everything a person or a CI job runs. Needs make, a C++20 compiler and Python 3.11 or newer; sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
ARGS ?=
MINUTES ?= 20

INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

# The engine is built by the installation.
CPP := $(shell find src/ranvier/event_driven/engine -name "*.h" -o -name "*.cc")
ENGINE := CMakeLists.txt $(CPP)

.DELETE_ON_ERROR:
.PHONY: help demo docs docs-serve test test-fast sanitize fuzz soak lint lint-style lint-engine lint-types format bench

help:
	@echo "make demo      train a small network with learnable delays and report its accuracy"
	@echo "make docs      build the documentation into site/ (make docs-serve: and show it while you write)"
	@echo "make test      all checks: format, lint, layers, types, tests (ARGS='-k name' goes to pytest)"
	@echo "make test-fast the tests that compile little"
	@echo "make sanitize  the engine's tests under the compiler's sanitizers (ARGS as for make test)"
	@echo "make fuzz      10,000 spoilt files for everything that reads files (ARGS='--cases 100 nir')"
	@echo "make soak      long work in one process, whose memory must stay flat (MINUTES=60)"
	@echo "make lint      all checks without the tests"
	@echo "make format    format the code and apply the safe lint fixes"
	@echo "make bench     run the benchmarks (ARGS=... goes to 'ranvier bench')"
	@echo
	@echo "Each sets up $(VENV) first where needed. Another interpreter: make test PYTHON=python3.12"

demo: $(INSTALLED)
	$(BIN)/ranvier train yin-yang --delay synaptic --epochs 100 --out runs/demo $(if $(wildcard runs/demo),--resume)

docs: $(INSTALLED_DEV)
	$(BIN)/zensical build --strict --clean
	@echo "Open site/index.html in a browser"

docs-serve: $(INSTALLED_DEV)
	$(BIN)/zensical serve --open

# The tests run in JOBS processes: one BLAS thread each.
test: export OPENBLAS_NUM_THREADS ?= 1
test: lint
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(ARGS)

test-fast: export OPENBLAS_NUM_THREADS ?= 1
test-fast: $(INSTALLED_DEV)
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m fast $(ARGS)

sanitize: export OPENBLAS_NUM_THREADS ?= 1
sanitize: $(INSTALLED_DEV)
	$(BIN)/python tests/sanitize.py $(ARGS)

fuzz: $(INSTALLED_DEV)
	$(BIN)/python tests/fuzz.py $(ARGS)

soak: $(INSTALLED_DEV)
	$(BIN)/python tests/soak.py $(MINUTES)

# Side by side: clang-tidy and pyright take long, and one core each.
lint: $(INSTALLED_DEV)
	@$(MAKE) --no-print-directory -j $(JOBS) lint-types lint-engine lint-style

lint-style: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

lint-engine: $(INSTALLED_DEV)
	$(BIN)/clang-format --dry-run -Werror $(CPP) tests/*.cc
	$(BIN)/clang-tidy --quiet $(filter %.cc,$(CPP)) -- -std=c++20 -isystem $$($(BIN)/python -c "import jax; print(jax.ffi.include_dir())")

lint-types: $(INSTALLED_DEV)
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(INSTALLED_DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CPP) tests/*.cc

bench: $(INSTALLED)
	$(BIN)/ranvier bench $(ARGS)

# Stamp files: pip runs again only when one of these files is newer than the last install.
$(INSTALLED): pyproject.toml constraints.txt $(ENGINE) | $(BIN)/python
	$(PIP_INSTALL) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt $(ENGINE) | $(BIN)/python
	$(PIP_INSTALL) -e '.[dev,docs]'
	@touch $(INSTALLED) $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "ranvier needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)"; \
		echo "Name another interpreter, for example: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; } >&2
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
