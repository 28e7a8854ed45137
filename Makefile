# Each target does its own set-up: a virtual environment with pinned versions, made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt

.PHONY: demo test test-slow check bench docs wheel clean

demo: $(VENV)/.core
	$(BIN)/python -m myow demo --out runs/demo

test: $(VENV)/.dev check
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.core
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/time_to_accuracy.py

# Builds the site into build/site, without the network; a warning is an error. Open build/site/index.html.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -E -j 2 -d build/doctrees -b html docs build/site
	@echo "build/site/index.html"

# Builds wheel and sdist, installs the wheel into an environment of its own, and runs the demo from it.
wheel: $(VENV)/.core
	$(PIP) build
	rm -rf dist build/wheel
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --no-compile --constraint constraints.txt torch
	build/wheel/bin/python -m pip install --quiet --no-compile --constraint constraints.txt dist/*.whl
	cd build && wheel/bin/myow demo --out demo

# torch comes first and alone, so that no other package can pull in a build for another machine.
$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist runs docs/tutorials docs/reference/api docs/reference/commands.md
	rm -rf .pytest_cache .mypy_cache .ruff_cache
