# The two commands of the README are `make demo` and `make test`; both set everything up first.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
UV := .venv/bin/uv
RUN := .venv/bin/python
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: setup demo test test-all durability bench facts docs compatibility lock clean

setup: .venv/.ready

.venv/.ready: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "arubeki needs CPython 3.11 or newer; none was found on PATH" >&2; exit 2; }
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<0.14'
	@$(UV) sync --quiet --frozen --inexact --all-extras --python $(RUN)
	@touch $@

demo: setup            ## two nodes, the MarkdownView example, every step shown
	@$(RUN) examples/markdown_view/demo.py

test: setup            ## everything that can be checked in minutes
	@$(RUN) -m pytest -q -n 2 --dist loadscope

test-all: setup        ## the same on every interpreter at hand
	@$(RUN) tools/interpreters.py

durability: setup      ## fifty kills under load, instead of the ten of `make test`
	@ARUBEKI_KILLS=50 $(RUN) -m pytest -q tests/cluster/test_durability.py

bench: setup           ## the figures of docs/benchmarks.md
	@$(RUN) tools/bench/run.py

facts: setup           ## generate api/facts and kinds anew from published packages
	@$(RUN) tools/generate_facts.py
	@$(RUN) tools/generate_kinds.py

docs: setup            ## write docs/reference/cli.md anew
	@$(RUN) tools/cli_reference.py

compatibility: setup   ## write docs/compatibility.md anew from a run of the conformance tests
	@$(RUN) tools/compatibility.py

lock: setup
	@$(UV) lock

peers-kubectl: setup   ## kubectl's flows with every kubectl at hand
	@$(MAKE) -C peers kubectls

peers-clientgo: setup  ## client-go and controller-runtime, built with Go, against a cluster
	@$(MAKE) -C peers clientgo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
