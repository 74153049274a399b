# Every command makes .venv and installs what it needs, once: again only when pyproject.toml or
# constraints.txt change. `make help` lists the commands.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Not `?=`: on some systems NAME is an environment variable that holds the host's name.
NAME = digits
ARGS =

BIN := .venv/bin
# A worker a core, whose tests run on one thread each (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal
SOURCES := adaptaug envs agents experiments tests
NEEDS := AdaptAug needs Python 3.11 or newer (name one, as in make search PYTHON=python3.12), and

.PHONY: help search test test-fast benchmark lint format docs clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

search: .venv/.installed-search ## Search a policy, evaluate it, write runs/NAME [NAME=digits] [ARGS="--dataset ..."]
	@$(BIN)/python -m experiments.train_policy --name "$(NAME)" $(ARGS)

test: lint ## Run linter, type checker and tests [ARGS="-k ops"]
	$(PYTEST) $(ARGS)

test-fast: .venv/.installed-dev ## Run the tests but the slow ones, without linting [ARGS="-k ops"]
	$(PYTEST) -m "not slow" $(ARGS)

benchmark: .venv/.installed-bench ## Time ops and environment against other libraries, write runs/benchmark
	@$(BIN)/python -m experiments.benchmark $(ARGS)

lint: .venv/.installed-dev ## Run linter and type checker alone
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: .venv/.installed-dev ## Format the code and mend what the linter can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

docs: .venv/.installed-dev ## Build the documentation site, write build/site
	$(BIN)/python -m zensical build --strict

clean: ## Remove .venv, caches and build output; runs/ stays
	rm -rf .venv .cache build *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(NEEDS) there is no '$(PYTHON)'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(NEEDS) this is " + sys.version.split()[0] + ".")'
	"$(PYTHON)" -m venv --upgrade-deps .venv

# The package with one of its extras; each of them contains `search`.
.venv/.installed-%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing AdaptAug ($*) into .venv; the first time takes minutes, as PyTorch is several gigabytes."
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch .venv/.installed-search $@
