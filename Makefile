# Two commands do everything: `make demo` and `make test`. Both create .venv first.
PYTHON ?= python3
BIN := .venv/bin
# What is used is compiled ahead, on all cores: a third of the time that pip takes for everything. Packages carry files that
# are no Python; those do not compile.
COMPILE := $(BIN)/python -m compileall -q -j 0 -x 'transformers/models/|torch/(testing|_inductor|onnx|_dynamo)/' .venv/lib src > /dev/null

.PHONY: install demo test types tests clean

.venv/.installed: requirements.txt pyproject.toml
	@echo "Installing the pinned dependencies into .venv (half a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install --no-compile --quiet --disable-pip-version-check --no-deps --editable .
	@$(COMPILE) || true
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing the tools for lint, types and tests ..."
	@$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(COMPILE) || true
	@touch $@

install: .venv/.installed

demo: .venv/.installed
	$(BIN)/forage demo --out runs/demo

# Types are checked by one core; meanwhile the others have tests to run.
test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 --keep-going types tests

types: .venv/.installed-dev
	$(BIN)/basedpyright

# One worker more than cores: some tests wait for processes, for files, or for a deadline. What pytest makes of the tests'
# assertions is kept for the next time. Workers keep ranges of tests, so that what the tests of a file share is made once.
tests: .venv/.installed-dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" \
		--dist worksteal -n $$($(BIN)/python -c "import os; print(1 + os.cpu_count())")

clean:
	rm -rf .venv runs
