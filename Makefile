# Everything happens in .venv, which the first target that needs it makes, and makes anew when the dependencies change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install quickstart test trust check fix

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## Make .venv with the tested versions of everything (PYTHON=python3.12 chooses the interpreter)

quickstart: $(READY)  ## Train, translate and evaluate on the embedded corpus: minutes on a laptop, no download of data
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/quickstart.sh

test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest

trust: $(READY)  ## Kill, interrupt, starve and damage runs, and see that they keep every promise of docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/trust -m 'slow or not slow'

check: $(READY)  ## Lint, format, types and the direction of imports, without changing a file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

fix: $(READY)  ## Mend what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# PyTorch comes first and by its exact version, so that pip takes the build for this machine (CPU or CUDA) that its own
# index settings prefer, and nothing that follows exchanges it.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "nmt needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@
