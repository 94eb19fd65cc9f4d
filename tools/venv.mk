# The virtual environment .venv, for the course's Makefile and that of the student's edition.

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

$(STAMP): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "The course needs Python 3.11 or newer, which \`$(PYTHON)\` is not:" \
		"name another, as in \`make lab PYTHON=python3.12\`." >&2; exit 1; }
	@test -e .venv/whole && $(BIN)/python -c '' 2>/dev/null || { \
		$(PYTHON) -m venv --clear .venv && touch .venv/whole; }
	$(RUN) pip install --disable-pip-version-check -r requirements.txt
	@echo "$(CURDIR)" >$@
