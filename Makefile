# The targets of the course; `make` alone lists them. Also for GNU make 3.81, which macOS has.

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

.PHONY: help lab run test test-all bundled lint format bench sync pins clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(STAMP)  ## open JupyterLab at the first notebook
	@$(RUN) jupyterlab --ServerApp.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root) \
		$(firstword $(sort $(wildcard notebooks/*.ipynb)))

run: $(STAMP)  ## execute every notebook; prints seconds and memory beside their limits
	@$(BIN)/python tools/run.py

# Trained models are kept between runs. Here they go to a folder that vanishes.
test: $(STAMP)  ## run the unit tests, then the notebooks
	@runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && trap 'exit 130' INT TERM && \
	LABUTILS_RUNS="$$runs" $(RUN) pytest tests notebooks \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=600

# All three run, even if one fails. pytest comes last, so that its summary ends the log.
test-all: $(STAMP)  ## check everything: make lint, make bundled, make test
	@$(MAKE) --no-print-directory --keep-going lint bundled test

# An empty cache, and a proxy at which nobody listens: no MNIST, wherever this runs.
bundled: $(STAMP)  ## execute every notebook as without a network: on the bundled digits
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && trap 'exit 130' INT TERM && \
	unset LABUTILS_DATA && XDG_CACHE_HOME="$$cache" \
		http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 $(BIN)/python tools/run.py

lint: $(STAMP)  ## check style and format, notebooks included, and print sizes
	@$(RUN) ruff check && $(RUN) ruff format --check && $(BIN)/python tools/sizes.py

format: $(STAMP)  ## fix style and format where ruff can
	@$(RUN) ruff format && $(RUN) ruff check --fix

bench: $(STAMP)  ## measure speed and memory
	@for script in $(sort $(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit; done

sync: $(STAMP)  ## sync each notebook with its .py; the newer file wins
	@$(RUN) jupytext --sync notebooks/*.py

# torch itself names the versions of CUDA that it needs.
pins: $(STAMP)  ## write constraints.txt anew, after a change of the requirements
	@$(RUN) pip install --quiet --disable-pip-version-check -r requirements-tools.txt
	@{ echo "# What the requirements pull in, for every system and Python: written by \`make pins\`."; \
	grep -hv '^-' requirements.txt requirements-tools.txt | \
	$(RUN) uv pip compile --quiet --universal --python-version 3.11 --no-build \
		--no-header --no-annotate - | grep -Ev '^(nvidia|cuda|triton)'; } >constraints.new && \
	mv constraints.new constraints.txt

clean:  ## remove .venv and what the other targets leave behind
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache \
		$(wildcard __pycache__ */__pycache__ .ipynb_checkpoints */.ipynb_checkpoints)

$(STAMP): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "The course needs Python 3.11 or newer, which \`$(PYTHON)\` is not:" \
		"name another, as in \`make lab PYTHON=python3.12\`." >&2; exit 1; }
	@test -e .venv/whole && $(BIN)/python -c '' 2>/dev/null || { \
		$(PYTHON) -m venv --clear .venv && touch .venv/whole; }
	$(RUN) pip install --disable-pip-version-check -r requirements.txt
	@echo "$(CURDIR)" >$@
