"""The course's tasks, on every system: `python tasks.py test`. With `make`, `make test` does the same.

Most tasks first create .venv from the Python that runs this file, and update it if the requirements have changed.
This file needs only Python's standard library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
READY = VENV / "ready"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# npm packages, fetched when a task needs them
WABT = "wabt@1.0.39"  # assembles WebAssembly
TYPESCRIPT = "typescript@7.0.2"  # checks the types in JavaScript's comments; tsconfig.json says how
PRETTIER = "prettier@3.10.1"  # formats JavaScript and CSS; .prettierrc.json says how
BUILD = "build==1.3.0"  # builds the wheel and the source archive
SCRIPTS = ("gpt2_course/labs/static", "book/_static", "tests/browser")  # folders with JavaScript or CSS
MAX_COLUMNS = 120


def run(*command: str | Path, **environment: str) -> None:
    """Run a program in the course's folder; if it fails, exit with its status."""
    program = shutil.which(command[0])  # also finds .exe and .cmd on Windows
    if program is None:
        sys.exit(f"This task needs {command[0]}, which is not installed: install it and try again.")
    process = subprocess.Popen([program, *command[1:]], cwd=ROOT, env={**os.environ, **environment})
    status = None
    while status is None:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the program is interrupted too, and may still be saving
            continue
    if status:
        sys.exit(status if status > 0 else 128 - status)  # a shell reports a signal as 128 + its number


# ---- setup -------------------------------------------------------------------------------------------------------


def install() -> None:
    """Create or update .venv, unless it is newer than the requirements."""
    sources = [ROOT / "requirements.txt", ROOT / "pyproject.toml"]
    if READY.exists() and all(READY.stat().st_mtime >= path.stat().st_mtime for path in sources):
        return
    if sys.version_info < (3, 10):  # noqa: UP036, an older Python can run this file, too
        sys.exit(
            "The course needs Python 3.10 or newer, but this is {}.{}: run `python3.12 tasks.py ...` or "
            "`make PYTHON=python3.12 ...`.".format(*sys.version_info)
        )
    if Path(sys.prefix).resolve() != VENV:
        run(sys.executable, "-m", "venv", VENV)
    pip = (PYTHON, "-m", "pip", "install", "--quiet")
    run(*pip, "-r", "requirements.txt", *pytorch_source())
    run(*pip, "--no-deps", "--editable", ".")
    READY.touch()  # last, so an interrupted installation is repeated


def pytorch_source() -> list[str]:
    """The pip options that choose PyTorch's build: on Linux without an NVIDIA GPU, the small one for CPUs."""
    if sys.platform != "linux":
        return []  # on other systems, PyPI's build is small already
    if has_nvidia_gpu():
        print("Installing PyTorch's build for NVIDIA GPUs, because this computer has one.", flush=True)
        return []
    try:
        urlopen(f"{CPU_INDEX}/torch/", timeout=5).close()
    except (OSError, HTTPException):
        print(f"Installing the build of PyTorch that pip finds, because {CPU_INDEX} cannot be reached.", flush=True)
        return []
    print(f"Installing PyTorch's small CPU build from {CPU_INDEX}, because there is no NVIDIA GPU.", flush=True)
    return ["--extra-index-url", CPU_INDEX]


def has_nvidia_gpu() -> bool:
    """Whether NVIDIA's own tool finds a working GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    return subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


# ---- tasks: each docstring is the task's line of help ------------------------------------------------------------


def refuse_more_than(count: int, task: str, arguments: tuple[str, ...]) -> None:
    """Exit with a sentence if a task got more arguments than it takes: 0 or 1."""
    if len(arguments) > count:
        allowed = "at most one argument" if count else "no arguments"
        sys.exit(f"{task} takes {allowed}, but got {len(arguments)}: leave out {' '.join(arguments[count:])}.")


def train(*arguments: str) -> None:
    """Train a GPT-2 on this computer; takes the options of train.py, such as --preset story."""
    install()
    run(PYTHON, "train.py", *arguments)


def test(*arguments: str) -> None:
    """Check everything: style, types, package, notebooks, site."""
    lint()
    pytest("--nbval", *arguments)


def check(*arguments: str) -> None:
    """Check what a change is most likely to break, in under three minutes: style, types, quick unit tests."""
    lint()
    pytest("-m", "not slow", "tests/unit", *arguments)


def portable(*arguments: str) -> None:
    """Check what must work on every system and Python version: unit tests, one chapter."""
    install()
    pytest("-m", "not root and not shakespeare", "--nbval", "tests/unit", "chapters/07_gpt2.ipynb", *arguments)


def pytest(*arguments: str) -> None:
    """Run pytest in several processes, each with one thread."""
    # Several threads per process would compete for the cores. Each idle process takes the next file in conftest.py's
    # order, longest first.
    workers = str(min(4, max(2, os.cpu_count() or 2)))
    share = ("-n", workers, "--dist", "loadfile", "--no-loadscope-reorder")
    run(PYTHON, "-m", "pytest", *share, *arguments, OMP_NUM_THREADS="1")


def lint(*arguments: str) -> None:
    """Check style and types."""
    install()
    run(BIN / "ruff", "check", ".", *arguments)
    run(BIN / "ruff", "format", "--check", ".")
    run(BIN / "mypy")
    lint_scripts()


def lint_scripts() -> None:
    """Check the lines, types, and format of JavaScript and CSS.

    Without npm, or without a network to fetch its packages, types and format go unchecked, unless
    GPT2_COURSE_NO_SKIPS is set, as in CI.
    """
    if too_long := long_lines():
        sys.exit("\n".join(too_long))
    if shutil.which("npm") is None:
        skip("The types and format of JavaScript and CSS were not checked, because npm is not installed.")
        return
    status, errors = npm_exec(f"tsc && prettier --check --log-level warn {' '.join(SCRIPTS)}", TYPESCRIPT, PRETTIER)
    if status and re.search(r"^npm error code (ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT)$", errors, re.MULTILINE):
        skip("The types and format of JavaScript and CSS were not checked, because npm's registry cannot be reached.")
        return
    sys.stderr.write(errors)
    if "Prettier" in errors:
        print(f"Format with: npx {PRETTIER} --write {' '.join(SCRIPTS)}", flush=True)
    if status:
        sys.exit(status)


def long_lines() -> list[str]:
    """One sentence for each line of JavaScript or CSS that is too long; Prettier leaves long strings and comments."""
    return [
        f"{path.relative_to(ROOT).as_posix()}:{number} has {len(line)} columns, but at most {MAX_COLUMNS} are allowed."
        for folder in SCRIPTS
        for path in sorted((ROOT / folder).iterdir())
        if path.suffix in (".js", ".mjs", ".css")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]


def npm_exec(command: str, *packages: str) -> tuple[int, str]:
    """Run a shell command with the programs of npm packages; returns its status and what it wrote to stderr."""
    npm = shutil.which("npm") or "npm"
    wanted = [f"--package={package}" for package in packages]
    call = [npm, "exec", "--yes", "--prefer-offline", *wanted, "--call", command]
    done = subprocess.run(call, cwd=ROOT, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stderr


def skip(reason: str) -> None:
    """Say what was not checked; in CI, fail."""
    if os.environ.get("GPT2_COURSE_NO_SKIPS"):
        sys.exit(reason)
    print(reason, flush=True)


def bench(*arguments: str) -> None:
    """Compare the package with other libraries in speed and memory; writes benchmarks/results.md."""
    install()
    run(PYTHON, "-m", "pip", "install", "--quiet", "onnx==1.23.2", "onnxscript==0.7.2")
    run(PYTHON, "-m", "benchmarks", *arguments)


def site(*arguments: str) -> None:
    """Build the whole book from the committed outputs, into _build/html; takes seconds."""
    install()
    run(BIN / "jupyter-book", "build", ".", "--all", "--warningiserror", "--keep-going", "--quiet", *arguments)


def takealong(*arguments: str) -> None:
    """Make an EPUB and a PDF of the built book, beside its pages; needs Chromium."""
    install()
    run(PYTHON, "-m", "book.takealong", *arguments)


def package(*arguments: str) -> None:
    """Build the package into dist/, install it in an empty environment, and try its commands and a lab there."""
    refuse_more_than(0, "package", arguments)
    install()
    run(PYTHON, "-m", "pip", "install", "--quiet", BUILD)
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run(PYTHON, "-m", "build", "--outdir", "dist")
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder)
        programs = Path(folder) / BIN.name
        (wheel,) = (ROOT / "dist").glob("*.whl")
        run(programs / "python", "-m", "pip", "install", "--quiet", wheel, *pytorch_source())
        run(programs / "python", "-I", ROOT / "book/try_package.py")


class Pages(SimpleHTTPRequestHandler):
    """Serves the book without logging."""

    # Windows may report text/plain for scripts, and browsers refuse to run a module of that type.
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: object) -> None:
        pass


def book(*arguments: str) -> None:
    """Build the book and serve it, because browsers do not run its labs from a file."""
    site(*arguments)
    pages = partial(Pages, directory=str(ROOT / "_build" / "html"))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", 8000), pages)
    except OSError:  # the port is taken
        server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    print(f"The book is at http://localhost:{server.server_port}. Press Ctrl-C to stop.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def lab(*arguments: str) -> None:
    """Open the notebooks in JupyterLab."""
    install()
    run(BIN / "jupyter", "lab", "chapters", *arguments)


def look(*arguments: str) -> None:
    """Build the book and take screenshots of all pages and labs to look through."""
    site()
    run(PYTHON, "-m", "book.look", *arguments)


def refresh(*arguments: str) -> None:
    """Run the notebooks whose code has changed, or all with --all, and save their outputs."""
    install()
    run(PYTHON, "-m", "book.refresh", *arguments)


def wasm(*arguments: str) -> None:
    """Assemble the labs' .wat files after a change; optionally takes the folder for the .wasm files."""
    refuse_more_than(1, "wasm", arguments)
    for source in sorted((ROOT / "gpt2_course/labs/static").glob("*.wat")):
        target = (Path(arguments[0]) if arguments else source.parent) / source.with_suffix(".wasm").name
        run("npm", "exec", "--yes", f"--package={WABT}", "--", "wat2wasm", source, "-o", target)


def repository(*arguments: str) -> None:
    """Move the course and its book to other addresses, such as https://github.com/you/your-copy."""
    install()
    run(PYTHON, "-m", "book.repository", *arguments)


def python(*arguments: str) -> None:
    """Run .venv's Python with any arguments, such as -m pytest tests/unit."""
    install()
    run(PYTHON, *arguments)


def clean(*arguments: str) -> None:
    """Remove .venv."""
    refuse_more_than(0, "clean", arguments)
    shutil.rmtree(VENV, ignore_errors=True)


ALL: tuple[Callable[..., None], ...] = (
    train, test, check, portable, lint, bench, site, book, lab, look, takealong, package, refresh, wasm, repository,
    python, clean,
)  # fmt: skip
TASKS = {task.__name__: task for task in ALL}


def main(arguments: list[str]) -> None:
    """Run the task named by the first argument with the rest, or list all tasks."""
    if not arguments or arguments[0] not in TASKS:
        asks_for_help = not arguments or arguments[0] in ("-h", "--help")
        if not asks_for_help:
            print(f"There is no task {arguments[0]!r}: choose one from this list.\n")
        print("Usage: python tasks.py TASK [ARGUMENT ...]\n")
        for name, task in TASKS.items():
            print(f"  {name:<11} {task.__doc__}")
        sys.exit(0 if asks_for_help else 2)
    TASKS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
