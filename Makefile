# `make install`, `make demo` and `make test` are all a fresh clone needs. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
FAST := tests/unit tests/contract tests/pipeline
# They start processes, databases or servers for most of their tests; `make test` runs them.
HEAVY := tests/unit/trust_pdf tests/unit/adapters tests/contract/test_axis.py tests/contract/test_office.py \
  tests/contract/test_office_changes.py tests/pipeline/test_revocation.py tests/pipeline/test_pdfs.py tests/pipeline/test_pdf_policies.py tests/unit/evidence/test_pdf_claims.py

.PHONY: install demo test test-full check storm bench wheel reference lock clean

install: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "lienthong needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "python3-venv is missing. As root: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "Installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@$(BIN)/lienthong demo

# The whole proof, on a printed budget of ten minutes; test-full adds the long forms.
test: install
	@$(BIN)/python tests/run.py

test-full: install
	@$(BIN)/python tests/run.py --full

# Under a minute: run it before every commit. Where there is room its files are in memory, lest it wait for a slow or a
# shared disk; `make test` has them on the disk. Compiled code is kept, whatever the environment says: tests start processes.
check: IN_MEMORY = $(shell df --output=avail -BM /dev/shm 2>/dev/null | awk '$$1 + 0 >= 1000 {print "PYTEST_DEBUG_TEMPROOT=/dev/shm"}')
check: export PYTHONDONTWRITEBYTECODE :=
check: install
	@$(BIN)/python tests/run.py checks
	@$(IN_MEMORY) $(BIN)/python -m pytest -q --no-header -p no:cacheprovider -n 2 --dist worksteal -m "not slow" \
	  -o tmp_path_retention_policy=failed $(FAST) $(HEAVY:%=--ignore=%)

# Kills the gateway at random while axis and office misbehave, then counts. STORM="--kills 200 --seed 7" chooses.
storm: install
	@$(BIN)/python -m tests.crash.storm $(STORM)

bench: install
	@$(BIN)/lienthong bench exchange

wheel: install
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

# The pages of docs/reference and the dashboard, from the code.
reference: install
	@$(BIN)/python docs/reference/make.py
	@$(BIN)/python deploy/grafana/dashboards/make.py

# Newest releases, for every interpreter and platform, with hashes and without addresses.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade
lock: install
	@$(BIN)/python -m pip install --quiet uv
	$(LOCK) --output-file requirements/runtime.txt pyproject.toml
	$(LOCK) --output-file requirements/dev.txt --constraints requirements/runtime.txt --group dev pyproject.toml
	$(LOCK) --output-file requirements/build.txt --constraints requirements/dev.txt --group build

clean:
	rm -rf .venv build dist
