# `make TASK` runs `python tasks.py TASK`; `python tasks.py` lists all tasks. Pass arguments in ARGS:
#   make test ARGS="-k generation"
# Choose the Python that .venv is created from:
#   make PYTHON=python3.12 test
PYTHON ?= python3
TASKS := train test check portable lint bench site book lab look takealong package refresh wasm repository python clean

.PHONY: $(TASKS)
$(TASKS):
	@$(PYTHON) tasks.py $@ $(URL) $(BOOK) $(ARGS)
