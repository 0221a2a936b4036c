# One .venv for everything, built by uv from the pinned lock. `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := api bench checklists core db deploy flows rop scripts tasks tests warehouse

.DEFAULT_GOAL := help
.PHONY: help demo up down test check lint bench e2e fleet faults chaos lock

help:  ## Show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -m1 -oE '^uv==[0-9.]+' requirements.lock)" || { echo "pip could not install uv: is the package registry reachable?"; exit 1; }
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## The main job on real recordings; KEEP=1 leaves the stack running
	@$(BIN)/rop demo $(if $(KEEP),--keep)

up: $(STAMP)  ## Run the stack (API on 8000, Prefect on 4200, files in var/)
	@$(BIN)/rop up $(ARGS)

down: $(STAMP)  ## Stop a stack that runs in the background: HOME_DIR=var/demo
	@$(BIN)/rop down --home "$(or $(HOME_DIR),var/demo)"

test: $(STAMP)  ## All tests; installs Chromium for those of the pages where it may
	@$(BIN)/python -m scripts.browser
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -rs $(ARGS)

lint: $(STAMP)  ## Format, lint, types, floors
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: lint test  ## Everything a change must pass

bench: $(STAMP)  ## Print the measured ratios; ONLY=pipeline for one of them
	@$(BIN)/python -m bench $(ONLY)

e2e: $(STAMP)  ## Schemathesis, a deployment, and an operator's day on a whole stack: cancel, retry by a click, kill, copy, delete
	@$(BIN)/python -m scripts.browser
	@$(BIN)/python -m pytest -m e2e tests/api tests/rop tests/stack $(ARGS)

fleet: $(STAMP)  ## 200 calls through two APIs, two Prefect servers and three workers on PostgreSQL, Redis and S3
	@$(BIN)/python -m pytest -m fleet tests/deploy $(ARGS)

faults: $(STAMP)  ## Kill everything everywhere; then chaos with five seeds
	@$(BIN)/python -m pytest -m "not fleet" tests/faults tests/tasks/test_load_faults.py $(ARGS)

chaos: $(STAMP)  ## 200 calls while everything is killed at random: SEED=7 CALLS=200
	@$(BIN)/python -m tests.faults.chaos --seed $(or $(SEED),7) --calls $(or $(CALLS),200)

lock: $(STAMP)  ## Pin the newest versions that resolve
	@$(BIN)/uv pip compile pyproject.toml --upgrade --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock
