# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test test-torch chaos lint format types imports schemas bench soak eval train clean

# What `prepare` makes, the first start makes else: without a Maven repository all but the embedded Kafka works.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "newswire needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	-$(BIN)/newswire prepare

setup: $(READY)

demo: $(READY)
	$(BIN)/newswire demo

# Files side by side, in order: the long ones come first.
test: $(READY)
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What needs torch, which the service does without: models of Hugging Face, and how the encoder is made.
test-torch: .venv-train/.ready
	.venv-train/bin/mypy training tests/unit/training/test_making.py tests/unit/training/test_spread.py tests/unit/training/test_narrow.py tests/unit/training/test_precision.py
	.venv-train/bin/python -m pytest -m torch tests/unit/analysis tests/unit/training

# Faults strike the running service at random, for MINUTES (40); SEED repeats a run.
chaos: $(READY)
	$(BIN)/python -m tests.crash.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-cache

# The counterpart's venv: spaCy pins libraries that newswire pins otherwise.
.venv-bench/.ready: bench/requirements.lock
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@touch $@

# What needs others' texts runs where DATA, TEXTS, CAPTURES and STORIES name them (see bench/__main__.py).
bench: $(READY) .venv-bench/.ready
	$(BIN)/python -m bench $(if $(DATA),--data $(DATA)) $(if $(TEXTS),--texts $(TEXTS)) $(if $(CAPTURES),--captures $(CAPTURES)) $(if $(STORIES),--stories $(STORIES))

# The service under load for MINUTES (30); figures and plots in bench-results/.
soak: $(READY) .venv-bench/.ready
	$(BIN)/python -m bench.soak $(if $(MINUTES),--minutes $(MINUTES))

# The encoder's figures on DATA, a folder with the archives that training/archives.py names.
eval: $(READY)
	$(BIN)/python -m training.evaluate --data $(DATA)

# The encoder's venv: the service runs without torch.
.venv-train/.ready: requirements.lock training/requirements.lock
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r training/requirements.lock
	@touch $@

# The encoder made from DATA in OUT (its log is OUT/training.log); a stopped run goes on from its last checkpoint.
# UNRESTRICTED=1 leaves out the sets for research or non-commercial use only.
train: .venv-train/.ready
	.venv-train/bin/python -m training.make --data $(DATA) --out $(OUT) $(if $(UNRESTRICTED),--unrestricted)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
