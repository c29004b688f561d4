# make run     the product on http://127.0.0.1:3000 (PORT, HOST, KENER_DATA_DIR and the other settings are honoured)
# make demo    the same with a demo company and services that fail and recover on a script
# make test    all tests; ARGS="-k name" chooses some
# make check   everything else that must hold: format, lint, types, imports, templates, migrations
# make bench   the measurements

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINNED := pyproject.toml constraints.txt
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet -c constraints.txt
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
ARGS ?=

.PHONY: setup develop run demo test check format bench clean

setup: $(VENV)/.runtime

develop: $(VENV)/.dev

run: setup
	@exec $(BIN)/kener up

demo: setup
	@exec $(BIN)/kener demo-up

test: browser
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet kener/templates
	$(BIN)/kener db check

format: develop
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: develop
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: browser
browser: develop
	@for name in $(BROWSERS); do if command -v $$name >/dev/null 2>&1; then exit 0; fi; done; \
	if $(BIN)/playwright install chromium >/dev/null 2>&1; then exit 0; fi; \
	echo "**********************************************************************"; \
	echo "No Chromium here, and none could be downloaded: THE BROWSER TESTS ARE"; \
	echo "SKIPPED. Install the package chromium (Debian: apt-get install chromium)"; \
	echo "**********************************************************************"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kener needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(PINNED) | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(PINNED) | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.runtime $@
