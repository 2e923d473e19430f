# Every target sets up .venv by itself, once, and again when the requirements change.
# The Python to build it from:  make PYTHON=python3.12 test
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test lint bench book clean

train: .venv/ready  ## train a GPT-2 on this computer; more by ARGS="--preset story"
	$(BIN)/python train.py $(ARGS)

# Two tests at a time, each on one core: threads of two processes that wait for each other are slower than none.
test: lint  ## everything that must hold
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/ready  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready  ## side by side with others; writes benchmarks/results.md
	$(BIN)/python -m benchmarks $(ARGS)

book:
	@echo "The book is not there yet: soon."

clean:
	rm -rf .venv

# Written last, so that an installation that broke off is done again.
.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
