# Everything runs from a checkout; `.ci/install` brings what the machine lacks.
PYTHON := .venv/bin/python
MAVEN := mvn --batch-mode --no-transfer-progress

.PHONY: help install build run check test integration bench clean

help: ## say what the targets do
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: ## install what is missing on a Debian machine, and .venv
	@bash .ci/install

build: install ## the plugin jars and the wheel that carries them, in dist/
	$(MAVEN) --quiet -DskipTests --file bridge/java package
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

run: install ## the main job: Heron's classes pack a topology through the plugin
	@$(PYTHON) -m integration.main_job

check: install ## style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

test: check ## all tests: Python, Java, and Heron's parts in Docker
	$(MAVEN) --file bridge/java verify
	$(PYTHON) -m pytest tests integration

integration: install ## the tests in Docker alone; HERON_IMAGE names a full Heron
	$(PYTHON) -m pytest integration

bench: install ## figures: planners, search, model, advice, health policies, footprint, JVM call
	$(PYTHON) -m tests.benchmarks.planners
	$(PYTHON) -m tests.benchmarks.search
	$(PYTHON) -m tests.benchmarks.skew
	$(PYTHON) -m tests.benchmarks.repack
	$(PYTHON) -m tests.benchmarks.decisions
	$(PYTHON) -m tests.benchmarks.predictions
	$(PYTHON) -m tests.benchmarks.advice
	$(PYTHON) -m tests.benchmarks.report
	.venv/bin/heron-bridge accuracy --runs tests/data/runs
	$(PYTHON) -m tests.benchmarks.model_against_simulation 400
	$(PYTHON) -m tests.benchmarks.closed_loop
	$(PYTHON) -m tests.benchmarks.closed_loop.in_process
	$(PYTHON) -m tests.benchmarks.bridge_footprint
	$(PYTHON) -m integration.benchmark

clean: ## remove what was built
	rm -rf dist build bridge/java/target integration/java/*/target bridge/wire/*_pb2*
