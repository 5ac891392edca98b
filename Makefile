# fpga-nova: the commands of README.rst. `make help` lists them.

PYTHON ?= /usr/bin/python3
# Progress is told as it happens, also to a pipe.
export PYTHONUNBUFFERED = 1
export STATE := $(shell $(PYTHON) -m build_scripts.lib.paths)
VENV = $(STATE)/venv/bin
CLOUD = $(VENV)/python -m build_scripts.build_cloud

.PHONY: help venv cloud cloud-status cloud-down clean demo bitstreams

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bitstreams: ## Build the accelerators' bitstreams from their Verilog
	@$(MAKE) -C accelerators bitstreams
