# Every command makes .venv and installs what it needs, once: again only when pyproject.toml or
# constraints.txt change. `make help` lists the commands.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Not `?=`: on some systems NAME is an environment variable that holds the host's name.
NAME = digits
ARGS =

BIN := .venv/bin
SOURCES := adaptaug envs agents experiments tests
NEEDS := AdaptAug needs Python 3.11 or newer (name one, as in make search PYTHON=python3.12), and

.PHONY: help search test benchmark lint format clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

search: .venv/.installed-core ## Search a policy, judge it, write runs/NAME [NAME=digits] [ARGS="--dataset ..."]
	@$(BIN)/python -m experiments.train_policy --name "$(NAME)" $(ARGS)

test: lint ## Run linter, type checker and tests [ARGS="-k ops"]
	$(BIN)/python -m pytest $(ARGS)

benchmark: .venv/.installed-bench ## Time ops and environment against rivals, write runs/benchmark
	@$(BIN)/python -m experiments.benchmark $(ARGS)

lint: .venv/.installed-dev ## Run linter and type checker alone
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: .venv/.installed-dev ## Format the code and mend what the linter can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean: ## Remove .venv, caches and build output; runs/ stays
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(NEEDS) there is no '$(PYTHON)'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(NEEDS) this is " + sys.version.split()[0] + ".")'
	"$(PYTHON)" -m venv --upgrade-deps .venv

# .installed-core is the package alone; .installed-dev and .installed-bench add the extra of that name,
# and the package with it.
.venv/.installed-%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing AdaptAug ($*) into .venv; the first time takes minutes, as PyTorch is several gigabytes."
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e "$(if $(filter core,$*),.,.[$*])"
	@touch .venv/.installed-core $@
