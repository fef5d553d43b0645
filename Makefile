# One word a task. Each does its own set-up: all that must be there is Python 3.11+, Node 20+, make and git.
.PHONY: run dev check check-python check-web test test-web unit e2e bench build types lock clean
.DELETE_ON_ERROR:

PYTHON ?= $(shell scripts/python)
PY := .venv/bin/python
PAGE := src/safelight/page/index.html
WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts -type f 2>/dev/null)

run: .venv/.run $(PAGE) ## serve on http://127.0.0.1:8080 and print the sign-in link
	.venv/bin/safelight serve

dev: .venv/.run web/node_modules/.ready ## the same, with the page rebuilt as you edit it (http://127.0.0.1:5173)
	.venv/bin/safelight serve & trap 'kill $$!' EXIT; cd web && npm run dev

check: check-python check-web ## types, lint and layout, warnings as errors

check-python: .venv/.test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

check-web: web/node_modules/.ready
	cd web && npm run check

SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs=2 --output-sync=target

test: ## everything: checks, page tests, server tests, end-to-end tests
	+$(SIDE_BY_SIDE) check test-web $(PAGE) .venv/.browser
	@echo "Now the server's tests and those in a browser, side by side: ten minutes on two cores. Each tells when it has ended."
	+$(SIDE_BY_SIDE) --keep-going unit e2e

test-web: web/node_modules/.ready
	cd web && npm test

unit: .venv/.test web/node_modules/.ready ## the tests that need no browser
	.venv/bin/pytest --ignore tests/e2e

e2e: $(PAGE) .venv/.browser ## real server, real browser, real faults
	.venv/bin/pytest tests/e2e

bench: $(PAGE) .venv/.test ## the figures of the README, as JSON in benches/results/
	$(PY) -m benches

build: .venv/.test $(PAGE) ## dist/*.whl, which contains the built page
	rm -rf dist && $(PY) -m hatchling build -t wheel

types: .venv/.test web/node_modules/.ready ## the page's API types, anew from the server's OpenAPI document
	.venv/bin/safelight openapi > web/openapi.json
	cd web && npm run types

lock: ## pin every dependency anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra distributed --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra distributed -c requirements-dev.lock pyproject.toml -o requirements-distributed.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -c requirements-dev.lock --group build -o requirements-build.lock

clean: ## back to a fresh clone
	rm -rf .venv web/node_modules src/safelight/page dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.run: requirements.lock pyproject.toml | .venv/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) scripts/develop.py
	@touch $@

.venv/.test: requirements-dev.lock .venv/.run
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.browser: scripts/browser.py .venv/.test
	$(PY) scripts/browser.py
	@touch $@

web/node_modules/.ready: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGE): web/node_modules/.ready $(WEB_SOURCES)
	cd web && npm run build
	@touch $@
