# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More options for pip, for example PIP_OPTIONS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_OPTIONS ?=
# Your own corpus: make run CORPUS=/path/to/notes [QUESTIONS=/path/to/questions]
CORPUS ?=
QUESTIONS ?=
# Another configuration environment: make run ENV=gpu
ENV ?=

# Threads that sleep at every wait cost tuning a third of its speed, and threads that spin long take
# it from other programs: they spin for about a millisecond (docs/log.md, "Speed again").
ifndef OMP_WAIT_POLICY
  export GOMP_SPINCOUNT ?= 20000
endif
# Nothing leaves the machine: no usage statistics, and no look-ups on a model hub.
export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM ?= false

ifneq ($(CORPUS),)
  NAME := $(notdir $(patsubst %/,%,$(CORPUS)))
  DATA := data/$(NAME)
  ASKED := $(if $(QUESTIONS),$(QUESTIONS),$(DATA)/01_raw/questions)
  PARAMS := --params corpus_folder=$(CORPUS),questions_folder=$(ASKED),data_root=$(DATA)
endif
RUN_OPTIONS := $(if $(ENV),--env $(ENV)) $(PARAMS)

.PHONY: run evaluate test lint install smoke viz mlflow ask clean help

help: ## Show the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.installed ## Turn the corpus into a model that remembers it, and show what it remembers
	@$(if $(CORPUS),mkdir -p "$(ASKED)")
	@$(BIN)/kedro run $(RUN_OPTIONS)

test: $(VENV)/.tested ## Lint and run all tests
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest

lint: $(VENV)/.tested
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

evaluate: $(VENV)/.installed ## Compare all systems on all questions, with the adapter that is there
	@$(BIN)/kedro run --pipelines=evaluate $(RUN_OPTIONS)

smoke: $(VENV)/.tested ## Run the whole pipeline in about a minute, with a toy base model
	@$(BIN)/python -m tests.toy_model data/smoke/toy_base_model
	@$(BIN)/kedro run --env smoke

viz: $(VENV)/.installed ## Show the pipelines and their data at http://127.0.0.1:4141
	@$(BIN)/kedro viz run --no-browser --host 127.0.0.1 --port 4141 $(if $(ENV),--env $(ENV)) $(PARAMS)

mlflow: $(VENV)/.installed ## Show runs and registered models at http://127.0.0.1:5000
	@$(BIN)/mlflow server --workers 1 --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlflow.db

ask: $(VENV)/.installed ## Ask the tuned model in the terminal
	@$(BIN)/python -m ragtuned_kedro.pipelines.answer_queries.ask $(if $(ENV),--env $(ENV)) $(if $(CORPUS),--data-root $(DATA))

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e ".[dev]"
	@touch $@

clean: ## Remove what runs wrote; the environment and the demo corpus stay
	rm -rf data/0[2-8]_* data/smoke mlflow.db mlartifacts mlruns .viz build info.log
