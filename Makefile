# fpga-nova: the commands of README.rst. `make help` lists them.

PYTHON ?= /usr/bin/python3
# Progress is printed as it happens, also to a pipe.
export PYTHONUNBUFFERED = 1
SHELL := /bin/bash
# Before a command: print how long it took, under the name of the target.
TIMED = @TIMEFORMAT='make $@: %0R s'; time
export STATE := $(shell $(PYTHON) -m build_scripts.lib.paths)
VENV = $(STATE)/venv/bin
CLOUD = $(VENV)/python -m build_scripts.cloud

.PHONY: help venv tests cloud cloud-status cloud-down clean demo test lint unit component functional bench debian docs pictures share fuzz \
	crash upgrades bitstreams patches nova-tests nova-tests-touched test-long

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: ## Install what the cloud runs on: packages, users, the virtual environment, fpga-nova
	@$(PYTHON) -m build_scripts.bootstrap

cloud: venv ## Bring the cloud up, or what of it is not up
	@$(CLOUD) up

cloud-status: ## Show every service of every node
	@$(CLOUD) status

cloud-down: ## Stop all that the cloud started; its data stays
	@if [ -d '$(STATE)/nodes' ]; then $(CLOUD) down; fi

clean: cloud-down ## Stop the cloud and remove all its state
	rm -rf '$(STATE)'

demo: export DEMO_BEGUN := $(shell date +%s)
demo: cloud ## Tell the story of fpga-nova on the cloud, and check it
	@$(VENV)/python -m build_scripts.demo

test: export TEST_BEGUN := $(shell date +%s)
test: lint unit component nova-tests-touched functional ## Run the tests: style, types, units, components, Nova's own, the cloud
	@echo "make test: $$(($$(date +%s) - TEST_BEGUN)) s"

test-long: tests ## Run what `make test` runs a seeded part of: whole random walks and kill matrices; kill and fuzz for minutes
	$(VENV)/pip install -q -c build_scripts/constraints.txt -r tests/fuzz/requirements.txt
	$(TIMED) { FPGA_NOVA_LONG=1 $(VENV)/python -m pytest --numprocesses logical --dist worksteal tests/component && \
		$(VENV)/python -m tests.crash --kills 200 --seed 11 && \
		$(VENV)/python -m tests.fuzz --runs 50000; }

tests:
	@$(PYTHON) -m build_scripts.bootstrap --with-tests

lint: tests ## Check style, types, which room imports which, spelling and phrases
	$(TIMED) { $(VENV)/ruff check && $(VENV)/ruff format --check && $(VENV)/mypy && $(VENV)/lint-imports && \
		$(VENV)/codespell && $(VENV)/python -m build_scripts.phrases; }

unit: tests ## Run the unit tests: one process, no root, no network, under a minute
	$(TIMED) $(VENV)/python -m pytest -p no:xdist tests/unit

component: tests ## Run the tests of real processes, tools and databases; check the committed bitstreams against their Verilog
	$(TIMED) { $(MAKE) -C accelerators check && \
		$(VENV)/python -m pytest --numprocesses logical --dist worksteal tests/component; }

nova-tests: tests ## Let Nova's own tests judge the patch, without it and with it; NOVA=26 to 34
	@$(VENV)/python -m build_scripts.nova_tests $(if $(NOVA),--nova $(NOVA)) $(if $(SELECT),--select $(SELECT)) \
		$(if $(SUITE),--suite $(SUITE))

nova-tests-touched: tests ## Run Nova's own tests of what the patch touches, with it alone
	$(TIMED) $(VENV)/python -m build_scripts.nova_tests --select touched --patched-only

functional: export DEMO_BEGUN := $(shell date +%s)
functional: tests cloud ## Run the demo and then the tests on its cloud, which stays up
	$(TIMED) { $(VENV)/python -m build_scripts.demo && \
		$(VENV)/python -m pytest tests/functional; }

bench: tests cloud ## Run the benchmarks: ratios to what each is compared with
	$(VENV)/python -m benchmarks.bench_cli
	$(VENV)/python -m benchmarks.bench_fetch
	$(VENV)/python -m benchmarks.bench_parallel
	$(VENV)/python -m benchmarks.bench_off
	$(VENV)/python -m benchmarks.bench_boot

fuzz: tests ## Run the fuzzers over all that reads a tenant's bytes: 1,000,000 executions
	$(VENV)/pip install -q -c build_scripts/constraints.txt -r tests/fuzz/requirements.txt
	$(VENV)/python -m tests.fuzz --runs 1000000

debian: ## Try all that an operator does on Debian 12's own packages of Nova, in a root of its own
	@$(PYTHON) -m tests.debian

upgrades: venv ## Upgrade Nova 33 to 34, unpatched, patched, mixed, reverted, on MariaDB and PostgreSQL; DATABASE=mariadb
	@$(VENV)/python -m tests.upgrade $(if $(DATABASE),--database $(DATABASE))

crash: tests ## Kill fpga-cli, its callers and servers at random times: 1,000 times
	$(VENV)/python -m tests.crash --kills 1000

docs: tests ## Build the manuals into docs/_build/html
	$(VENV)/pip install -q -c build_scripts/constraints.txt -r docs/requirements.txt
	$(VENV)/python -m sphinx -W --keep-going -b html docs docs/_build/html

pictures: tests ## Make README's pictures from docs/pictures/*.dot
	@$(VENV)/python -m build_scripts.pictures

share: tests ## Make the commands' manual pages and shell completions, below share/, from their parsers
	$(VENV)/python -m build_scripts.share

patches: tests ## Make what of the patch series is generated, and try it on every release; NOVA=35.0.0 tries that one
	@$(VENV)/python -m build_scripts.patches $(NOVA)

bitstreams: ## Build the accelerators' bitstreams from their Verilog
	@$(MAKE) -C accelerators bitstreams
