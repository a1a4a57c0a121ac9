# Needs make, python3 >= 3.11 and python3-venv; everything else goes into .venv.
# `make test` also runs the JavaScript SDK tests where node >= 20 is.

PYTHON ?= python3
BIN := .venv/bin
JS := tests/clients/js
ORACLE := tests/oracle/js
AGENTS := tests/clients/agents
UV ?= $(BIN)/uv

.DEFAULT_GOAL := help
.PHONY: help serve test check clients agents long bench oracle format regen lock clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 \t/p' $(MAKEFILE_LIST) | expand -t 18

serve: .venv/.serve ## build plexus.json and serve it on 127.0.0.1:4000; PORT=N for another
	$(BIN)/plexus build
	exec $(BIN)/plexus serve $(if $(PORT),--port $(PORT))

test: .venv/.dev js ## run every test in its short form
	$(BIN)/python -m pytest

check: .venv/.dev js ## format, lint, types, generated code, tests; the tree stays as it was
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/plexus build --check
	$(BIN)/python -m pytest
	git diff --exit-code

clients: .venv/.clients .venv/.clients-openai2 ## install the frameworks that tests/clients drives too

agents: $(AGENTS)/node_modules/.installed ## install the coding agents of tests/clients (1.3 GB, not in CI)

long: .venv/.dev js ## run every test with its long counts; seeds are printed
	PLEXUS_LONG=1 $(BIN)/python -m pytest -s

bench: .venv/.dev ## measure CPU per request and per chunk beside nginx and a bare Falcon route
	$(BIN)/python -m bench

# Not in CI: what npm installs for it takes 76 MB.
oracle: .venv/.dev $(ORACLE)/node_modules/.installed ## compare with musistudio/llms; rewrites docs/deviations.md
	$(BIN)/python -m tests.oracle

format: .venv/.dev ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

regen: .venv/.dev ## rewrite generated/, golden files and generated pages of docs/; review the diff
	$(BIN)/plexus build
	$(BIN)/python -m tools.losses >docs/losses.md
	$(BIN)/python -m tools.vendors >docs/vendors.md
	$(BIN)/python -m tools.models >docs/models.md
	$(BIN)/python -m tools.matrix >docs/matrix.md
	$(BIN)/python -m pytest --regen

lock: .venv/.dev ## lock the dependencies again
	$(UV) pip compile $(LOCK) pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile $(LOCK) -c requirements/runtime.txt $(CLOUDS) \
		pyproject.toml -o requirements/clouds.txt
	$(UV) pip compile $(LOCK) requirements/build.in -o requirements/build.txt
	$(UV) pip compile $(LOCK) -c requirements/clouds.txt -c requirements/build.txt $(CLOUDS) \
		pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(UV) pip compile $(LOCK) requirements/clients.in -o requirements/clients.txt
	$(UV) pip compile $(LOCK) requirements/clients-openai2.in -o requirements/clients-openai2.txt

clean: ## remove the environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	rm -rf $(JS)/node_modules $(AGENTS)/node_modules $(ORACLE)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The packages left out are for Windows and for browsers, where Plexus does not run.
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-package colorama --no-emit-package httpx2-jsfetch --custom-compile-command 'make lock'

CLOUDS := --extra bedrock --extra vertex

# A stamp is written only after its whole step went well, so a broken set-up is done again.
LOCKS := requirements/runtime.txt requirements/build.txt

.venv/.serve: pyproject.toml tools/setup $(LOCKS)
	tools/setup $(PYTHON) $(LOCKS)
	@touch $@

.venv/.dev: .venv/.serve requirements/dev.txt
	tools/setup $(PYTHON) requirements/dev.txt
	@touch $@

# They need other versions of the SDKs than .venv has; nothing of Plexus is in there.
.venv/.clients .venv/.clients-openai2: .venv/.%: requirements/%.txt .venv/.dev
	$(PYTHON) -m venv --clear --without-pip .venv/$*
	$(BIN)/python -m pip --quiet --disable-pip-version-check --python .venv/$*/bin/python install \
		--require-hashes --no-deps --only-binary :all: --requirement $<
	@touch $@

# No lock: it would name binaries of other platforms that a registry need not have.  The scripts of
# two packages put the binary in its place.
$(AGENTS)/node_modules/.installed: $(AGENTS)/package.json
	cd $(AGENTS) && npm install --no-package-lock --no-audit --no-fund --ignore-scripts
	cd $(AGENTS) && npm rebuild @anthropic-ai/claude-code opencode-ai
	@touch $@

$(ORACLE)/node_modules/.installed: $(ORACLE)/package-lock.json
	cd $(ORACLE) && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: js
NODE := $(shell node -p 'parseInt(process.versions.node, 10) >= 20 ? "yes" : "no"' 2>/dev/null)
ifeq ($(NODE),yes)
js: $(JS)/node_modules/.installed

$(JS)/node_modules/.installed: $(JS)/package-lock.json
	cd $(JS) && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@
else
js:
	@echo '*** SKIPPED: the JavaScript SDK tests need node >= 20, which was not found. ***'
endif
