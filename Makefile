# make demo: watch Earshot work. make test: run the whole suite. `make` alone lists everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_TESTS ?= -n auto
PINNED := --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --allow-unsafe --strip-extras

.DEFAULT_GOAL := help
.PHONY: help demo test check dev accept wheel lock bench prove train migration format clean

help:  ## List what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Earshot needs Python 3.11 or newer; say make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments: install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.ready  ## Watch it work: five pretended platforms, one story going wrong, a mailbox in the browser
	@$(BIN)/earshot demo

test: $(VENV)/.ready  ## Run the whole suite
	@$(BIN)/python -m pytest $(RUN_TESTS) $(ARGS)

check: $(VENV)/.ready  ## Format, lint, types and import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dev: $(VENV)/.ready  ## The demo's house at a calm pace, to work against
	@$(BIN)/earshot demo --calm

accept: $(VENV)/.ready  ## Approve the e-mails as they are now
	@ACCEPT=1 $(BIN)/python -m pytest tests/alerts -q -p no:randomly

bench: $(VENV)/.ready  ## Print the benchmarks, as ratios against something a reader knows
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

prove: $(VENV)/.ready  ## The long runs: kills, faults, storms
	@EARSHOT_PROVE=long $(BIN)/python -m pytest tests/proofs -q -p no:randomly -p no:xdist --timeout 3600 -s

train: $(VENV)/.ready  ## Train the learned scorer anew from training/data
	@sh training/train.sh

wheel: $(VENV)/.ready  ## Build the wheel
	$(BIN)/python -m build --no-isolation --wheel

lock: $(VENV)/.ready  ## Resolve the dependencies anew and pin them by hash: all, those a server needs, those that build
	$(BIN)/pip-compile $(PINNED) --extra postgres --extra model --extra dev --extra build -o requirements.lock pyproject.toml
	$(BIN)/pip-compile $(PINNED) --extra postgres --extra model -c requirements.lock -o requirements-run.lock pyproject.toml
	$(BIN)/pip-compile $(PINNED) --only-build-deps --build-deps-for wheel -c requirements.lock -o requirements-build.lock pyproject.toml

migration: $(VENV)/.ready  ## Write a migration from the tables: make migration m="what changed"
	@$(BIN)/python -m monitor.migrations.new "$(m)"

format: $(VENV)/.ready  ## Bring the code into form
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:  ## Take away what was built; the environment stays
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-run*
