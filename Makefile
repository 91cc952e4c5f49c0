PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
FAST := not slow and not browser

.PHONY: demo check static test coverage browser bench lint wheel-test docs clean

# The explorer, on http://127.0.0.1:7860
demo: $(VENV)/.run
	$(BIN)/python app.py

# Lint, format, types, import rules and the fast tests: under two minutes on two cores, once mypy has its cache
check: static
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile -m "$(FAST)" --durations=10

static: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.requirements --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

# Everything: under a quarter of an hour on two cores
test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 -m "not browser" --durations=15
	chromium="$$(sh tests/browser/chromium.sh $(BIN)/python)" && UHRBAT_CHROMIUM="$$chromium" $(PYTEST) -m browser

# Everything but the page in a browser, with a report of what was run, as text and in htmlcov/
coverage: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 -m "not browser" --cov --cov-report=term:skip-covered --cov-report=html

# What everything takes, each beside something of the same machine and run: on a quiet machine, a quarter of an hour
bench: $(VENV)/.dev
	$(BIN)/python -m tools.bench selection encode questions budget ingest --json docs/results/bench.json
	$(BIN)/python -m tools.make_results

# The distribution's Chromium, for machines where Playwright's own cannot be downloaded or lacks libraries
browser: $(VENV)/.dev
	sh tests/browser/chromium.sh $(BIN)/python --install

# The built wheel, installed into an environment of its own and used in an empty folder
wheel-test: $(VENV)/.dev
	$(BIN)/python -m tools.wheel_smoke

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements-train.txt $(VENV)/.run
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch $@

# The documentation as a site, in runs/site; a broken link is an error
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/.docs: requirements-docs.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-docs.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .coverage htmlcov build dist
