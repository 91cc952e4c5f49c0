PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/.run
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/ruff check .
	UHRBAT_CHROMIUM="$$(sh tests/browser/chromium.sh $(BIN)/python)" $(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements-train.txt $(VENV)/.run
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
