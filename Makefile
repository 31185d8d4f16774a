# Commands for users and developers; `make` lists them.

PYTHON ?= python3
BIN := .venv/bin
# Reflex and the tests look for bun and for our own commands in the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# The machine's own package configuration must not get into the lock.
LOCK := $(BIN)/uv pip compile --no-config --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --quiet

SCRIPT_TOOLS := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help run dev test pytest lint format coverage bench resilience load screenshots lock clean environment tests-environment

help:
	@echo "make run          start the chat on this machine (PORT=3000)"
	@echo "make dev          start it with reload on change (PORT=3000, its socket on 8000)"
	@echo "make test         check style, types and layers, then run every test"
	@echo "make lint         only the checks"
	@echo "make format       let ruff and Biome write the style"
	@echo "make coverage     run every test with branch coverage, and report it"
	@echo "make bench        run the benchmarks"
	@echo "make resilience   faults and attacks at full count, and a table (NAMES=kill: only that one)"
	@echo "make load         many sockets and many answers at once"
	@echo "make screenshots  pictures of every state of the page into .screenshots"
	@echo "make lock         write the requirements files from pyproject.toml (UPGRADE=--upgrade: the newest)"
	@echo "make environment  install the program into .venv, without starting it"
	@echo "make tests-environment  the same with the tools of the tests"
	@echo "make clean        remove what was built and installed; your data stays"

environment:
	@$(PYTHON) setup/install.py

tests-environment:
	@$(PYTHON) setup/install.py --dev

run: environment
	@exec chat-app run --with-parent

dev: environment
	@exec chat-app dev

# Tests wait now and then, for a browser or a clock; the checks run beside them.
test: tests-environment $(SCRIPT_TOOLS)
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

# Python is started about a hundred times: with its bytecode kept, each start takes half the time.
pytest: tests-environment
	@MAKEFLAGS= PYTHONDONTWRITEBYTECODE= CHROMIUM="$$(python setup/chromium.py)" python -m pytest -n 3 --dist worksteal $(PYTEST_ARGS)

lint: tests-environment $(SCRIPT_TOOLS)
	@ruff check .
	@ruff format --check .
	@pyright
	@lint-imports
	@bun run --bun lint

format: tests-environment $(SCRIPT_TOOLS)
	@ruff check --fix .
	@ruff format .
	@bun run --bun format

# Biome and TypeScript check the components' scripts; nothing of this is in the built page.
$(SCRIPT_TOOLS): package.json bun.lock | tests-environment
	@bun install --frozen-lockfile --prefer-offline --silent
	@touch $@

coverage: tests-environment
	@coverage erase
	@CHROMIUM="$$(python setup/chromium.py)" coverage run -m pytest -n 3 --dist worksteal $(PYTEST_ARGS)
	@coverage combine --quiet
	@coverage report

bench: tests-environment
	@CHROMIUM="$$(python setup/chromium.py)" python -m benchmarks

resilience: tests-environment
	@CHROMIUM="$$(python setup/chromium.py)" python -m resilience $(NAMES)

load: tests-environment
	@python -m resilience load

screenshots: tests-environment
	@CHROMIUM="$$(python setup/chromium.py)" python -m screenshots

lock: environment
	@$(LOCK) $(UPGRADE) pyproject.toml -o requirements.txt
	@$(LOCK) $(UPGRADE) --group dev -c requirements.txt -o requirements-dev.txt
	@$(LOCK) $(UPGRADE) --group embedded --no-deps -o requirements-embedded.txt
	@$(LOCK) $(UPGRADE) --group setup --no-deps -o requirements-setup.txt

clean:
	@rm -rf .venv .web node_modules .build .states assets/external *.egg-info
