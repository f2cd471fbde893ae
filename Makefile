# `make demo` and `make test` set up everything they need in .venv, once.
PYTHON ?= python3
VENV ?= .venv
# the torch build to install first; `make TORCH=torch` takes the newest, with what your platform gets by default
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# threads that wait without spinning: a second busy process would otherwise stall every operation
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-slow lint types build clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
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

clean:
	rm -rf $(VENV) demo_output
