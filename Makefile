# The newcomer's commands: `make demo` shows a whole rotation, `make test` proves it. Both set everything up.
# Needs: Python >= 3.11 with its venv module, and make. (Debian: apt install python3 python3-venv make)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHONPATH := $(CURDIR)/functions:$(CURDIR)/tests
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo sandbox real-garden test test-slow test-cloud test-real chaos cloud-sandbox check format bench figures lock clean
.DEFAULT_GOAL := help

help:            ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# --- set-up: one virtual environment, hashed pins ---

$(VENV)/run: functions/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; say PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: no venv module (Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r functions/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/dev: $(VENV)/run tests/requirements.txt
	@echo "adding test tools ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@touch $@

# --- see it ---

demo: $(VENV)/run           ## a rotation and the retirement of the old key, against the sandbox, in a minute
	@$(BIN)/python -m demo

sandbox: $(VENV)/run        ## leave the sandbox running, with printed settings to try rotator by hand
	@$(BIN)/python -m sandbox

real-garden: $(VENV)/run    ## the real API servers of Kubernetes and Gardener to try it on (needs Go; builds ten minutes, once)
	@$(BIN)/python -m real_garden

cloud-sandbox: $(VENV)/run  ## the sandbox, Google's emulators and the four doors: publish an event and watch (needs the Cloud SDK and Java)
	@$(BIN)/python -m cloud_sandbox

# --- prove it ---

test: $(VENV)/dev           ## the test suite (a few minutes)
	@$(BIN)/python -m pytest -q -n 2 -m "not slow and not real and not emulator" tests

test-slow: $(VENV)/dev      ## crash matrix, late calls, gates: histories by the thousand
	@$(BIN)/python -m pytest -q -n 2 -m "slow and not emulator" --timeout=1800 tests

test-cloud: $(VENV)/dev     ## the doors in real processes, before Google's emulators (needs the Cloud SDK and Java); never skipped here
	@ROTATOR_REQUIRE_EMULATORS=1 $(BIN)/python -m pytest -q -n 2 -m "emulator and not real" --timeout=900 tests

chaos: $(VENV)/run          ## doors killed at random while a fleet rotates; ROUNDS=500 for a long night
	@$(BIN)/python -m chaos --rounds $(or $(ROUNDS),50)

test-real: $(VENV)/dev      ## the tests on the real API servers (needs Go; builds ten minutes, once); never skipped here
	@$(BIN)/python -m real_garden.build >/dev/null
	@ROTATOR_REQUIRE_REAL=1 $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m real --timeout=600 tests

check: $(VENV)/dev          ## format, lint, types, import contracts
	@$(BIN)/ruff format --check functions infra tests
	@$(BIN)/ruff check functions infra tests
	@$(BIN)/mypy
	@cd functions && ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache

format: $(VENV)/dev         ## mend what can be mended by machine
	@$(BIN)/ruff check --fix-only --quiet functions infra tests
	@$(BIN)/ruff format functions infra tests

bench: $(VENV)/dev          ## measurements, each against its floor
	@$(BIN)/python -m bench

figures: $(VENV)/run        ## what was proved and measured, with goals
	@$(BIN)/python -m figures

lock: $(VENV)/dev           ## pin anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra otel pyproject.toml -o functions/requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -c functions/requirements.txt --group dev -o tests/requirements.txt

clean:           ## remove what was built
	rm -rf $(VENV) build .sandbox
