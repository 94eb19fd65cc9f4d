# The course's verbs; `make` alone lists them. Also for GNU make 3.81, which macOS has.

WINDOWS := $(filter Windows_NT,$(OS))
PYTHON ?= $(if $(WINDOWS),python,python3)
BIN := $(if $(WINDOWS),.venv/Scripts,.venv/bin)
# Always `python -m tool`: the scripts beside it break when the folder is moved.
RUN := $(BIN)/python -m

# The stamp holds the folder's name: in a moved or copied folder, .venv imports the old labutils.
# And a .venv breaks when the Python that it was made with goes.
STAMP := .venv/installed
ifneq "$(CURDIR)" "$(shell $(BIN)/python -c '' 2>/dev/null && cat $(STAMP) 2>/dev/null)"
.PHONY: $(STAMP)
endif

.PHONY: help lab run test bench sync clean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(STAMP)  ## open JupyterLab at the first notebook
	@$(RUN) jupyterlab --ServerApp.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root) \
		$(firstword $(sort $(wildcard notebooks/*.ipynb)))

run: $(STAMP)  ## execute every notebook and print a table of how they fared
	@$(BIN)/python tools/run_notebooks.py

# Trained models are kept between runs. Here they go to a folder that vanishes.
test: $(STAMP)  ## run the unit tests, then the notebooks
	@runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && trap 'exit 130' INT TERM && \
	LABUTILS_RUNS="$$runs" $(RUN) pytest tests notebooks \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=120

bench: $(STAMP)  ## measure speed and memory
	@for script in $(sort $(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit; done

sync: $(STAMP)  ## bring each notebook and its .py into agreement: the newer one counts
	@$(RUN) jupytext --sync notebooks/*.py

clean:  ## remove .venv and what the other verbs leave behind
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache \
		$(wildcard __pycache__ */__pycache__ .ipynb_checkpoints */.ipynb_checkpoints)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "The course needs Python 3.10 or newer, which \`$(PYTHON)\` is not:" \
		"name another, as in \`make lab PYTHON=python3.12\`." >&2; exit 1; }
	@test -e .venv/whole && $(BIN)/python -c '' 2>/dev/null || { \
		$(PYTHON) -m venv --clear .venv && touch .venv/whole; }
	$(RUN) pip install --disable-pip-version-check -r requirements.txt
	@echo "$(CURDIR)" >$@
