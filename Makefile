# The targets of the course; `make` alone lists them. Also for GNU make 3.81, which macOS has.

include tools/venv.mk
.DEFAULT_GOAL := help
TOOLS := .venv/tools

.PHONY: help lab student grade doctor run runs slides site test browser test-all bundled lint format bench sync pins clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(STAMP)  ## open the student's edition in JupyterLab; EDITION=complete: with solutions
	@$(BIN)/python tools/editions.py --open $(if $(filter complete,$(EDITION)),--complete)

student: $(STAMP)  ## make the student's edition, and student.zip to hand out
	@$(BIN)/python tools/editions.py --zip

grade: $(TOOLS)  ## grade SUBMISSIONS=folder, which holds a folder for each student
	@$(if $(SUBMISSIONS),,$(error Which? make grade SUBMISSIONS=folder))
	@$(BIN)/python tools/grading.py "$(SUBMISSIONS)"

doctor:  ## say what is wrong with what is installed, and what to do
	@$(if $(wildcard $(BIN)/python*),$(BIN)/python,$(PYTHON)) tools/doctor.py

run: $(STAMP)  ## execute every notebook; prints seconds and memory beside their limits
	@$(BIN)/python tools/run.py

runs: $(STAMP)  ## train all that the notebooks take up, for a class to share: RUNS=folder
	@$(BIN)/python tools/runs.py $(if $(RUNS),"$(RUNS)")

slides: $(STAMP)  ## make the decks of slides, in build/slides; needs npm
	@$(BIN)/python tools/slides.py

site: $(TOOLS)  ## make the site, in build/site, from the notebooks' stored outputs
	@$(BIN)/python tools/website.py

# What a student's laptop never needs. The stamp goes with .venv, and is made anew after the other.
$(TOOLS): $(STAMP) requirements-tools.txt
	$(RUN) pip install --disable-pip-version-check -r requirements-tools.txt
	@touch $@

# The student's edition with nothing filled in, to be executed after the complete one.
.PHONY: build/student
build/student: $(STAMP)
	@rm -rf $@ && $(BIN)/python tools/editions.py --into $@

# Trained models are kept between runs, and progress too. Here they go to a folder that vanishes.
PYTEST = runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && trap 'exit 130' INT TERM && \
	LABUTILS_RUNS="$$runs" LABUTILS_PROGRESS="$$runs" $(RUN) pytest -rs \
	--nbval-lax --nbval-current-env --nbval-cell-timeout=600

STUDENT := build/student
test: build/student  ## run the unit tests, then the notebooks of both editions
	@$(PYTEST) tests notebooks $(STUDENT)

browser: $(TOOLS)  ## run notebooks and move widgets in a browser; EDITION=complete: with solutions
	@$(PYTEST) tests/browser

# All run, even if one fails, and two at a time: most tests keep one core busy. pytest takes longest,
# so that its summary ends the log. The browser executes the student's edition in nbval's place, with
# the models that the complete one has left. It is found below tests: pytest drops the name of a
# folder whose parent is named too.
test-all: $(STAMP)  ## check everything: make lint, make bundled, make test with make browser
	@$(MAKE) --no-print-directory --keep-going --jobs=2 lint bundled test \
		STUDENT="-o norecursedirs='.* build'"

# An empty cache, and a proxy at which nobody listens: no MNIST, wherever this runs.
bundled: build/student  ## execute the notebooks of both editions as without a network: on the bundled digits
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && trap 'exit 130' INT TERM && \
	unset LABUTILS_DATA && XDG_CACHE_HOME="$$cache" \
		http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 $(BIN)/python tools/run.py \
		notebooks/*.ipynb build/student/*.ipynb

lint: $(STAMP)  ## check style and format, notebooks included, and print sizes
	@$(RUN) ruff check && $(RUN) ruff format --check && $(BIN)/python tools/sizes.py

format: $(STAMP)  ## fix style and format where ruff can
	@$(RUN) ruff format && $(RUN) ruff check --fix

# The load test of a hub wants a machine to itself: benchmarks/README.md
bench: $(STAMP)  ## measure speed and memory
	@failed=; for script in $(filter-out %/hub.py, $(sort $(wildcard benchmarks/*.py))); do \
	$(BIN)/python $$script || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "Failed:$$failed"; exit 1; }

sync: $(STAMP)  ## sync each notebook with its .py; the newer file wins
	@$(RUN) jupytext --sync notebooks/*.py

# torch itself names the versions of CUDA that it needs.
pins: $(TOOLS)  ## write constraints.txt anew, after a change of the requirements
	@{ echo "# What the requirements pull in, for every system and Python: written by \`make pins\`."; \
	grep -hv '^-' requirements.txt requirements-tools.txt | \
	$(RUN) uv pip compile --quiet --universal --python-version 3.11 --no-build \
		--no-header --no-annotate - | grep -Ev '^(nvidia|cuda|triton)'; } >constraints.new && \
	mv constraints.new constraints.txt

clean:  ## remove .venv and what the other targets leave behind
	rm -rf .venv build student.zip *.egg-info .pytest_cache .ruff_cache \
		$(wildcard __pycache__ */__pycache__ .ipynb_checkpoints */.ipynb_checkpoints)
