# lava-ep: `make help` lists the targets. Everything is installed into .venv and .venv-bench.
# `make PYTHON=3.10 test` does the same with another Python, in .venv-3.10.

PYTHON :=
VENV := .venv$(if $(PYTHON),-$(PYTHON))
BIN := $(VENV)/bin
TORCH_VENV := .venv-bench
NIR_VENV := .venv-nir
STAMPS := $(VENV)/.installed
NOW := $(shell date +%Y%m%d-%H%M%S)

# Data sets that lie beside the checkout are used where the user names no other place.
ifndef LAVA_EP_DATA
ifneq ($(wildcard ../shared/data/.),)
export LAVA_EP_DATA := $(CURDIR)/../shared/data
endif
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test test-nir lint format bench docs reproduce-binary-digits reproduce-binary-mnist reproduce-stock-digits reproduce-bmlp reproduce-uncertainty clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  %-25s%s\n", $$1, $$2 }' Makefile

setup: $(STAMPS)/run ## Make .venv and install lava-ep into it

demo: $(STAMPS)/run ## Learn handwritten digits and write a report
	$(BIN)/lava-ep train --preset binary-digits --frozen-baseline --out runs/demo-$(NOW)

test: $(STAMPS)/dev ## Run the tests, some on every core; TESTS="tests/data tests/models" for some of them
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal $(TESTS)

test-nir: $(STAMPS)/dev $(NIR_VENV)/.installed ## Run networks in Norse, a second simulator (installs PyTorch)
	LAVA_EP_NIR_PYTHON=$(CURDIR)/$(NIR_VENV)/bin/python $(BIN)/python -m pytest tests/deploy/test_nir_simulator.py

lint: $(STAMPS)/dev ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(STAMPS)/dev ## Reformat the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMPS)/run $(TORCH_VENV)/.installed ## Run the benchmarks that the README quotes (installs PyTorch)
	$(BIN)/python benchmarks/run.py --torch-python $(TORCH_VENV)/bin/python
	$(BIN)/python benchmarks/execution.py

docs: $(STAMPS)/docs ## Build the documentation
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "Documentation: $(CURDIR)/docs/_build/html/index.html"

reproduce-binary-digits: $(STAMPS)/run ## Train preset binary-digits with seeds 0 to 4
	for seed in 0 1 2 3 4; do \
	    $(BIN)/lava-ep train --preset binary-digits --backend fused --seed $$seed --json --no-report \
	        --out runs/binary-digits-$(NOW)-seed$$seed || exit; \
	done

reproduce-binary-mnist: $(STAMPS)/run ## Train preset binary-mnist, and with a frozen input layer
	$(BIN)/lava-ep train --preset binary-mnist --backend fused --frozen-baseline \
	    $(if $(LAVA_EP_DATA),--data-dir "$(LAVA_EP_DATA)") --out runs/binary-mnist-$(NOW)

reproduce-stock-digits: $(STAMPS)/run ## Train preset stock-digits on Lava's own Processes, in integers and in real numbers
	for backend in loihi-fixed loihi-float; do \
	    $(BIN)/lava-ep train --preset stock-digits --backend $$backend --no-report \
	        --out runs/stock-digits-$(NOW)-$$backend || exit; \
	done

reproduce-bmlp: $(STAMPS)/run ## Train networks of local binary errors and CP+R on MNIST, Fashion-MNIST and prototypes
	for preset in bmlp-mnist bmlp-fashion-mnist cp-r-mnist cp-r-fashion-mnist; do \
	    $(BIN)/lava-ep train --preset $$preset --backend fused $(if $(LAVA_EP_DATA),--data-dir "$(LAVA_EP_DATA)") \
	        --no-report --out runs/$$preset-$(NOW) || exit; \
	done
	for flip in 0.40 0.42 0.44 0.46; do for preset in bmlp-prototypes cp-r-prototypes; do \
	    $(BIN)/lava-ep train --preset $$preset --set data.name=prototypes:$$flip --backend fused \
	        --no-report --out runs/$$preset-$$flip-$(NOW) || exit; \
	done; done

reproduce-uncertainty: $(STAMPS)/run ## Train DRN-XS under noise on digits, MNIST and Fashion-MNIST; run again to go on
	$(BIN)/lava-ep study uncertainty --preset drn-xs --data digits,mnist,fashion-mnist --samples 1,4,16,64 --seeds 0,1 \
	    --epochs 4 --limit-train 3000 --limit-test 2000 --threads 1 \
	    $(if $(LAVA_EP_DATA),--data-dir "$(LAVA_EP_DATA)") --out studies/uncertainty

reproduce-%: $(STAMPS)/run ## Train any preset (lava-ep presets) with the fused backend; EPOCHS=n for fewer
	$(BIN)/lava-ep train --preset $* --backend fused $(if $(EPOCHS),--epochs $(EPOCHS)) \
	    $(if $(LAVA_EP_DATA),--data-dir "$(LAVA_EP_DATA)") --out runs/$*-$(NOW)

clean: ## Remove caches and built files; .venv and runs stay
	rm -rf build dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path './.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of dependencies, written only when its installation is complete.
$(STAMPS)/venv: .python-version scripts/make-venv.sh
	@scripts/make-venv.sh $(VENV) $(PYTHON)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: requirement := .
$(STAMPS)/dev: requirement := .[dev]
$(STAMPS)/docs: requirement := .[docs]
$(STAMPS)/run $(STAMPS)/dev $(STAMPS)/docs: $(STAMPS)/venv pyproject.toml constraints.txt \
    scripts/install.py _lava_ep_compat.py lava_ep_compat.pth
	@echo "Installing lava-ep and its dependencies ($(@F)) into $(VENV); a minute or two the first time"
	@$(BIN)/python scripts/install.py '$(requirement)'
	@$(BIN)/python -c 'import lava_ep.processes'
	@touch $@

# PyTorch gets an environment of its own, with the Python that its versions were chosen for, if there.
$(TORCH_VENV)/.installed: benchmarks/requirements.txt scripts/make-venv.sh
	@scripts/make-venv.sh $(TORCH_VENV) 3.11 3.12 3.13
	@echo "Installing PyTorch for the benchmarks into $(TORCH_VENV); a minute or two the first time"
	@$(TORCH_VENV)/bin/python -m pip install -qq --disable-pip-version-check \
	    --requirement benchmarks/requirements.txt
	@touch $@

# So does the simulator that reads NIR files.
$(NIR_VENV)/.installed: tests/deploy/requirements-nir.txt scripts/make-venv.sh
	@scripts/make-venv.sh $(NIR_VENV) 3.11 3.12 3.13
	@echo "Installing Norse and PyTorch into $(NIR_VENV); a minute or two the first time"
	@$(NIR_VENV)/bin/python -m pip install -qq --disable-pip-version-check \
	    --requirement tests/deploy/requirements-nir.txt
	@touch $@
