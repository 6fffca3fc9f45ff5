# Everything happens in .venv, which the first target that needs it makes, and makes anew when the dependencies change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install quickstart test trust slurm-test check fix docs lock

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## Make .venv with the tested versions of everything (PYTHON=python3.12 chooses the interpreter)

quickstart: $(READY)  ## Train, translate and evaluate on the embedded corpus: minutes on a laptop, no download of data
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/quickstart.sh

test: $(READY)  ## Run the tests, a process a core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8

trust: $(READY)  ## Kill, interrupt, starve and damage runs: what docs/reliability.md promises (figures: outputs/trust.txt)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/trust tests/training/test_state.py tests/training/test_numbers.py \
	  -m 'slow or not slow' -n auto --maxprocesses 8 --dist worksteal --figures outputs/trust.txt

slurm-test: $(READY)  ## Try launcher=submitit against a real SLURM of this machine (apt-get install slurm-wlm munge; root)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/slurm_test.py

check: $(READY)  ## Lint, format, types and the direction of imports, without changing a file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py
	$(BIN)/python scripts/make_settings_reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

fix: $(READY)  ## Mend what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## Build the documentation into site/, and fail on a broken link
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:  ## Rewrite requirements.lock from pyproject.toml and constraints.txt (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --constraint constraints.txt \
	  --default-index https://pypi.org/simple --no-config --no-header --no-annotate --quiet --output-file requirements.all
	{ sed -n '/^#/p' requirements.lock; \
	  awk '/^[a-z]/ { kept = $$1 !~ /^(torch|triton|cuda-.*|nvidia-.*)==/ } kept' requirements.all; } > requirements.lock.new
	rm requirements.all && mv requirements.lock.new requirements.lock

# Everything but PyTorch is held against the hashes in requirements.lock: first what builds, so that nothing is fetched to
# build with. PyTorch comes by its exact version, so that pip takes the build for this machine (CPU or CUDA) that its own
# index settings prefer, and nothing exchanges it. Other machines than Linux on x86-64 may need files that nobody has tried:
# there versions are held, and hashes are not.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(filter Linux-x86_64,$(shell uname -sm | tr ' ' '-'))
$(READY): pyproject.toml constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "nmt needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifdef LOCKED
	sed -n '/^setuptools==/,/[^\]$$/p' requirements.lock > $(VENV)/setuptools.lock
	$(PIP) --require-hashes -r $(VENV)/setuptools.lock
	$(PIP) --require-hashes --no-build-isolation -r requirements.lock
	$(PIP) -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(PIP) --no-deps --no-build-isolation --editable .
else
	$(PIP) -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(PIP) -c constraints.txt --editable '.[dev]'
endif
	@touch $@
