# `make TASK` is `python tasks.py TASK`, which says what each task does. Arguments go behind it:
#   make test ARGS="-k sampling"
# The Python to build .venv from:
#   make PYTHON=python3.12 test
PYTHON ?= python3
TASKS := train test check portable lint bench site book lab look refresh wasm repository python clean

.PHONY: $(TASKS)
$(TASKS):
	@$(PYTHON) tasks.py $@ $(URL) $(BOOK) $(ARGS)
