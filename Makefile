# Everything works on a bare Python 3.11-3.13; a second call reuses what is there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint prove bases boards schemas docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fairbench needs Python 3.11 or later, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@

# The network of the digits is too small to share between threads, and threads that wait for each other stall.
demo test: export OMP_NUM_THREADS = 1
demo: setup ## four methods on the bundled digits, and their leaderboard page
	$(BIN)/fairbench run --methods pgd_at,faal,frl,cfa --track digits --jobs 2 --threads 1
	$(BIN)/fairbench report --track digits

lint: setup ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: lint ## ruff, pyright and the tests, under ten minutes on two cores
	$(BIN)/python -m pytest -m 'not prove' -n auto

prove: setup ## the long form of the proofs
	$(BIN)/python -m pytest -m prove

bases: setup ## train the committed base checkpoints of the CPU tracks anew
	$(BIN)/python -m benchmarks.make_bases

boards: setup ## write the pages of the committed boards anew, from their records
	$(BIN)/fairbench report --runs reports/boards --out reports/boards

schemas: setup ## write the JSON Schemas anew
	$(BIN)/python -c 'from pathlib import Path; from fairbench.submissions.schemas import write_schemas; write_schemas(Path("docs/schemas"))'

docs: setup ## the pages of docs/ as a site: site/index.html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[docs]'
	$(BIN)/python -m mkdocs build --strict --quiet

clean: ## remove the environment and what the demo wrote
	rm -rf $(VENV) checkpoints/digits reports/digits
