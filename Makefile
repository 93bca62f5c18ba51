# One spelling for people and for CI. Python 3.11 or later, make and the package index are all that `make demo` and
# `make test` need. Every target may be run again at any time; nothing asks a question.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV   := .venv
JUDGES := .venv-judges
BIN    := $(VENV)/bin

# A stamp carries the checksum of what it installed: another lock is another stamp, whatever the file times say.
key         = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
STAMP       := $(VENV)/.stamp-$(call key,requirements.lock requirements-dev.lock pyproject.toml)
STAMP_JUDGES := $(JUDGES)/.stamp-$(call key,requirements-judges.lock)
PIP         := -m pip --no-input --disable-pip-version-check install --quiet

export PIP_ROOT_USER_ACTION := ignore

# The files that the checks look at; a room that is not there yet is left out.
CODE := $(wildcard canonical connectors activities workflows commands worker.py cli.py stack.py tests)

.DEFAULT_GOAL := help
.PHONY: help setup setup-judges demo up test check format fix lint types contracts docs judges chaos bench lock wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '  make %-13s %s\n' "$$t" "$$d"; done

setup: $(STAMP) ## make .venv from the hashed locks (done once per lock)

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later was not found. Install it, or say which: make setup PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "setup: $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) --require-hashes -r requirements.lock -r requirements-dev.lock
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.stamp*
	@touch $@

setup-judges: $(STAMP_JUDGES) ## make .venv-judges: the vendors' own clients, apart from us because they pin old libraries

$(STAMP_JUDGES): requirements-judges.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later was not found. Install it, or say which: make setup PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "setup: $(JUDGES)"
	@$(PYTHON) -m venv $(JUDGES)
	@$(JUDGES)/bin/python $(PIP) --use-pep517 --require-hashes -r requirements-judges.lock
	@rm -f $(JUDGES)/.stamp*
	@touch $@

demo: setup ## start the embedded stack, play the story, exit 0 only if every invariant holds
	@$(BIN)/revsaga demo $(ARGS)

up: setup ## start the embedded stack and keep it running
	@$(BIN)/revsaga up $(ARGS)

test: setup setup-judges ## the tests, as CI runs them
	@$(BIN)/python -m pytest $(ARGS)

check: format lint types contracts docs test ## what CI runs, and nothing else

format: setup ## is everything formatted?
	@$(BIN)/ruff format --check $(CODE)

fix: setup ## format, and repair what the linter can repair
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

lint: setup ## ruff
	@$(BIN)/ruff check $(CODE)

types: setup ## mypy --strict
	@$(BIN)/mypy $(CODE)

contracts: setup ## who may import whom
	@$(BIN)/lint-imports

docs: setup ## links, decision records, generated pages, dependency reasons
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/architecture/test_docs.py tests/architecture/test_generated_docs.py

chaos: setup setup-judges ## kill loops, the whole fault matrix, mutation run, long property runs
	@$(BIN)/python -m pytest -m chaos $(ARGS)

bench: setup ## speed and size, printed and written as JSON
	@$(BIN)/python -m tests.bench $(ARGS)

# The system's own packages judge what no Python package can: a browser, Prometheus' rule checker, a ledger program.
JUDGE_PACKAGES := chromium prometheus hledger
judges: setup setup-judges ## tests that need a browser, promtool and hledger from the system's packages
	@missing=; for tool in chromium promtool hledger; do command -v $$tool >/dev/null 2>&1 || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null && \
			DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(JUDGE_PACKAGES) </dev/null || exit 2; \
		else \
			echo "Missing:$$missing. Install with: sudo apt-get install --no-install-recommends $(JUDGE_PACKAGES)" >&2; exit 2; \
		fi; \
	fi
	@$(BIN)/python -m pytest -m judges $(ARGS)

UV      := $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet
lock: setup ## write the three locks anew (add ARGS=--upgrade to move versions)
	@$(UV) $(ARGS) pyproject.toml -o requirements.lock
	@$(UV) $(ARGS) --group dev -c requirements.lock -o requirements-dev.lock
	@$(UV) $(ARGS) --group judges -o requirements-judges.lock

wheel: setup ## build the wheel into dist/
	@$(BIN)/python -m pip --no-input --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove environments, caches and build results; data under .revsaga/ stays
	rm -rf $(VENV) $(JUDGES) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
