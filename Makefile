# Every target sets up .venv by itself, once, and again when the requirements change.
# The Python to build it from:  make PYTHON=python3.12 test
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test lint bench book site lab refresh wasm repository clean

train: .venv/ready  ## train a GPT-2 on this computer; more by ARGS="--preset story"
	$(BIN)/python train.py $(ARGS)

# Two tests at a time, each on one core: threads of two processes that wait for each other are slower than none.
# A chapter has four minutes on two cores: one that trains for long runs by itself, on all of them.
LONG := chapters/08_training.ipynb chapters/12_answering.ipynb
test: lint  ## everything that must hold
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --nbval --nbval-cell-timeout 240 chapters book/labs.ipynb $(LONG:%=--ignore=%)
	$(BIN)/python -m pytest --nbval --nbval-cell-timeout 240 $(LONG)

lint: .venv/ready  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready  ## side by side with others; writes benchmarks/results.md
	$(BIN)/python -m pip install --quiet onnx==1.23.2 onnxscript==0.7.2
	$(BIN)/python -m benchmarks $(ARGS)

site: .venv/ready  ## build the book from the committed outputs, into _build/html, all of it: it takes seconds
	$(BIN)/jupyter-book build . --all --warningiserror --keep-going --quiet

book: site  ## build the book and serve it (a page of modules does not work from a file)
	@echo "The book is at http://localhost:8000 — Ctrl-C ends it."
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

lab: .venv/ready  ## the notebooks, in JupyterLab
	$(BIN)/jupyter lab chapters

refresh: .venv/ready  ## run the notebooks whose code has changed; all of them by ARGS=--all
	$(BIN)/python -m book.refresh $(ARGS)

wasm:  ## assemble the labs' inner loop anew, after a change of linear.wat
	npm exec --yes --package=wabt@1.0.39 -- wat2wasm gpt2_course/labs/static/linear.wat -o gpt2_course/labs/static/linear.wasm

repository: .venv/ready  ## move the course to another address: make repository URL=https://github.com/you/your-copy
	$(BIN)/python -m book.repository $(URL) $(BOOK)

clean:
	rm -rf .venv

# Written last, so that an installation that broke off is done again.
.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
