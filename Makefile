# `make demo` and `make test` set up everything they need in .venv, once.
PYTHON ?= python3
VENV ?= .venv
# the torch build to install first; `make TORCH=torch` takes the newest, with what your platform gets by default
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# threads that wait without spinning: a second busy process would otherwise stall every operation
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-slow lint types build lock audit sbom wheel clean

# torch comes first, in the build for the machine; all else by the hashes in requirements.lock
$(VENV)/installed: pyproject.toml requirements.lock setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/installed
	$(BIN)/python demo/run.py

# two processes, a file's tests in one of them: its fixtures are made once
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# in the order of files: otherwise those with one test come last, which are the longest
test-slow: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(VENV)/installed
	$(BIN)/mypy

build: $(VENV)/installed
	$(BIN)/python -m meddino_components build

# of a release; its tools are in an environment of their own, so that they are in no list of what the project needs
RELEASE := .venv-release
$(RELEASE)/installed: pyproject.toml
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet "cyclonedx-bom>=7" "pip-audit>=2.9" "uv>=0.9"
	touch $@

# the newest versions that constraints.txt and the ranges of pyproject.toml admit, with the hashes of their files
lock: $(RELEASE)/installed
	$(RELEASE)/bin/uv pip compile --quiet pyproject.toml --extra dev --constraints constraints.txt --universal \
	    --python-version 3.11 --generate-hashes --no-emit-package torch --no-emit-package meddino --no-annotate \
	    --custom-compile-command "make lock" --output-file requirements.lock

audit: $(RELEASE)/installed
	$(RELEASE)/bin/pip-audit --disable-pip --require-hashes --requirement requirements.lock

# what the tests ran with, torch included, as CycloneDX
sbom: $(RELEASE)/installed $(VENV)/installed
	mkdir -p dist
	$(RELEASE)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-file dist/sbom.cdx.json $(BIN)/python

wheel: $(VENV)/installed
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf $(VENV) $(RELEASE) demo_output
