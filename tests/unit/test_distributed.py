"""Several processes, started by PyTorch's launcher on this computer, train like a single one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed import TCPStore

from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer
from gpt2_course.cli import main
from gpt2_course.data import TokenStream, find_corpus, write_shards
from gpt2_course.history import read_history
from gpt2_course.training.distributed import Distributed, _fresh_store, local_device
from gpt2_course.training.run_folder import STATE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEXT = "".join(f"{n} times {n} is {n * n}.\n" for n in range(1000))
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SETTINGS = (
    "--context 32 --vocab-size 300 --n-positions 32 --n-embd 32 --n-layer 2 --n-head 2 --sample-tokens 8 "
    "--report-every 50 --log-every 1 --checkpoint-every 10 --data text.txt"
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the number of threads changes how sums are rounded
    Path("text.txt").write_text(TEXT)


def training(launcher: list[str], *options: Any) -> list[str]:
    return [*launcher, str(ROOT / "train.py"), *SETTINGS.split(), *map(str, options)]


def torchrun(processes: int, *options: Any) -> list[str]:
    return [*TORCHRUN, "--standalone", "--nproc-per-node", str(processes), *map(str, options)]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience(600))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def children(pid: int) -> dict[str, int]:
    """The ids of the processes that torchrun has started, by rank."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_text().split("\0")
        found |= {entry[5:]: int(child) for entry in environment if entry.startswith("RANK=")}
    return found


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs, which are killed with their children at the end of the test."""
    started = []

    def popen(command: list[str], **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        started.append(process)
        return process

    yield popen
    for process in started:
        if process.poll() is None:
            for pid in [*children(process.pid).values(), process.pid]:
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def wait_for(process: subprocess.Popen[str], folder: str, entries: int) -> None:
    """Wait until the run's history has this many entries."""
    while process.poll() is None and len(read_history(Path(folder))) < entries:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]


def losses(folder: str) -> torch.Tensor:
    return torch.tensor([entry["loss"] for entry in read_history(Path(folder)) if "val_loss" not in entry])


def without_time(folder: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in read_history(Path(folder))]


def files(folder: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


# ---- several processes are like one ------------------------------------------------------------------------------


def test_two_processes_learn_the_same_as_one_with_twice_the_batch() -> None:
    steps = ("--steps", 30, "--accumulation", 2)
    run(training([sys.executable], "--out", "one", *steps, "--batch-size", 8))
    output = run(training(torchrun(2), "--out", "two", *steps, "--batch-size", 4))
    for line in ("fused, 2 processes.", "step     0", "Trained for"):
        assert output.count(line) == 1, line  # only one process reports
    one, two = losses("one"), losses("two")
    assert len(one) == 30
    assert one[-1] < one[0] - 0.5
    # summing in another order gives rounding errors of about 1e-6 here
    torch.testing.assert_close(two, one, rtol=0, atol=1e-4)
    ends = [read_history(Path(name))[-1]["val_loss"] for name in ("one", "two")]
    assert ends[0] == pytest.approx(ends[1], abs=1e-4)


def test_two_processes_take_the_mean_of_all_answers_as_one_does() -> None:
    """The dialogues of one process may have many more tokens to learn than those of the other."""
    rows = [{"prompt": f"Say {n}!", "completion": "na " * (1 + n % 7)} for n in range(400)]
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = ("--steps", 12, "--accumulation", 2, "--data", "chats.jsonl")
    run(training([sys.executable], "--out", "one", *steps, "--batch-size", 2))
    run(training(torchrun(2), "--out", "two", *steps, "--batch-size", 1))
    torch.testing.assert_close(losses("two"), losses("one"), rtol=0, atol=1e-4)
    ends = [read_history(Path(name))[-1]["val_loss"] for name in ("one", "two")]
    assert ends[0] == pytest.approx(ends[1], abs=1e-4)


def test_gradients_are_sent_once_per_step_however_many_batches_it_accumulates(monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        from pathlib import Path
        import numpy as np, torch
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
        from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
        from gpt2_course.data import TokenStream
        from gpt2_course.training.distributed import Distributed

        sent = 0

        def counting(group, bucket):
            global sent
            sent += bucket.buffer().numel()
            return allreduce_hook(group, bucket)

        distributed = Distributed.join(torch.device("cpu"), Path("run"))
        model = GPT2(GPT2Config(300, 32, 32, 1, 2))
        tokens = TokenStream([np.arange(99, dtype=np.uint16)], 300)
        config = TrainConfig(model=model.config, context=32, batch_size=2, accumulation=3)
        trainer = Trainer(model, tokens, tokens, config, distributed=distributed)
        trainer._loss.register_comm_hook(None, counting)
        for _ in range(4):
            trainer.train_step()
        if distributed.is_main_process:
            print(sent / model.num_parameters())
        distributed.shut_down()
    """
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("count.py").write_text(textwrap.dedent(script))
    assert run(torchrun(2, "count.py")) == "4.0\n"


def test_each_process_has_its_own_dropout() -> None:
    shape = GPT2Config(300, 32, 32, 1, 2)
    tokens = TokenStream([np.arange(99, dtype=np.uint16)], 300)
    trainer = Trainer(GPT2(shape), tokens, tokens, TrainConfig(model=shape, context=32))
    drawn = [torch.rand(1, generator=torch.Generator().manual_seed(trainer._seed_of(7, rank))) for rank in range(8)]
    assert len({float(number) for number in drawn}) == 8


# ---- processes that die or are stopped ---------------------------------------------------------------------------


@pytest.mark.linux
def test_a_run_that_lost_a_process_restarts_with_the_same_result(start: Callable[..., subprocess.Popen[str]]) -> None:
    # three processes, because the order of a sum matters only from three numbers on
    options = ("--steps", 250, "--batch-size", 2, "--resid-pdrop", 0.1)
    run(training(torchrun(3), "--out", "undisturbed", *options))
    process = start(training(torchrun(3, "--max-restarts", 3), "--out", "killed", *options))
    for rank in range(3):
        wait_for(process, "killed", 50 * (rank + 1))
        os.kill(children(process.pid)[str(rank)], signal.SIGKILL)
    output, _ = process.communicate(timeout=patience(600))
    assert process.returncode == 0, output
    assert output.count("training on a text of") == 4
    assert output.count("step     0") == 1  # each restart resumed
    assert "error: Another process of this run has died: see its message" in output
    assert "Traceback" not in output
    weights = [Path(name, "model.safetensors").read_bytes() for name in ("killed", "undisturbed")]
    assert weights[0] == weights[1]
    assert without_time("killed") == without_time("undisturbed")


def test_a_restart_does_not_resume_another_run() -> None:
    run(training([sys.executable], "--out", "run", "--steps", 10))
    before = files("run")
    done = subprocess.run(
        training(torchrun(2, "--max-restarts", 1), "--out", "run", "--steps", 20),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr.count("error: run already contains a run or a model: continue it with --resume") == 2
    )  # once per start
    assert "training on a text of" not in done.stdout
    assert files("run") == before


@pytest.mark.linux
@pytest.mark.parametrize(("number", "ranks"), [(signal.SIGINT, ["0", "1"]), (signal.SIGTERM, ["1"])])
def test_ctrl_c_stops_all_processes_at_the_same_step(
    start: Callable[..., subprocess.Popen[str]], number: signal.Signals, ranks: list[str]
) -> None:
    process = start(training(torchrun(2), "--out", "run", "--steps", 5000, "--batch-size", 2))
    wait_for(process, "run", 20)
    pids = [children(process.pid)[rank] for rank in ranks]
    if len(ranks) == 2:
        pids.append(process.pid)  # torchrun passes the signal on, so its processes get it twice
    for pid in pids:
        os.kill(pid, number)
    output, _ = process.communicate(timeout=patience(600))
    assert process.returncode == 1
    assert output.count("Stopped. Saved after step") == 1, output
    assert "[rank" not in output  # no process printed a traceback
    step = int(output.split("Saved after step ")[1].split(".")[0])
    state = torch.load(Path("run", STATE), weights_only=True)
    assert (state["step"], state["processes"]) == (step, 2)
    how = output.split("To continue:\n  ")[1].split("\n")[0].split()
    assert how[:4] == ["torchrun", "--nproc-per-node", "2", "train.py"]
    run([*TORCHRUN, *how[1:3], str(ROOT / "train.py"), *how[4:], "--steps", str(step + 20)])
    assert read_history(Path("run"))[-1]["step"] == step + 20


def test_resuming_with_another_number_of_processes_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    run(training(torchrun(2), "--out", "run", "--steps", 10, "--batch-size", 4))
    assert main(["train", "--out", "run", "--resume", "--steps", "12"]) == 0
    assert "Up to step 10 this run had 2 processes; now it has 1, each with batches of 4." in capsys.readouterr().out
    output = run(training(torchrun(2), "--out", "run", "--resume", "--steps", 14))
    assert "Up to step 12 this run had 1 process; now it has 2, each" in output


def test_a_restart_after_training_still_shows_the_result(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["train", *SETTINGS.split(), "--out", "run", "--steps", "10"]) == 0
    Path("run/loss.svg").unlink()
    capsys.readouterr()
    monkeypatch.setattr(Distributed, "join", lambda device, folder: Distributed(restarted=True))
    assert main(["train", *SETTINGS.split(), "--out", "run", "--steps", "10"]) == 0
    assert "Trained for" in capsys.readouterr().out
    assert Path("run/loss.svg").exists()


def test_restarted_processes_do_not_use_addresses_of_dead_ones() -> None:
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=patience(600)))
    for key in ("name 0", "name 1", "name 2", "start 0"):  # left by dead processes
        store.set(key, "dead")

    def meets_the_dead(rank: int, start: int) -> bool:
        place = _fresh_store(TCPStore("127.0.0.1", store.port, timeout=timedelta(seconds=patience(600))), rank, 3)
        place.set(f"start {start}", "here")
        return place.check([f"start {start - 1}"]) or place.get(f"start {start}") != b"here"

    for start in (1, 2, 3):
        with ThreadPoolExecutor() as threads:
            assert not any(threads.map(meets_the_dead, range(3), [start] * 3))


# ---- several computers -------------------------------------------------------------------------------------------


def on_two_computers(
    start: Callable[..., subprocess.Popen[str]], *options: Any, restarts: int = 1
) -> list[subprocess.Popen[str]]:
    """Start what two computers would run, each in its own folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for node in range(2):
        Path(f"computer {node}").mkdir(exist_ok=True)
        Path(f"computer {node}/text.txt").write_text(TEXT)
        nodes = ["--nnodes", "2", "--node-rank", str(node), "--master-addr", "127.0.0.1", "--master-port", str(port)]
        command = training([*TORCHRUN, *nodes, "--nproc-per-node", "1", "--max-restarts", str(restarts)], *options)
        processes.append(start(command, cwd=f"computer {node}"))
    return processes


@pytest.mark.linux
@pytest.mark.parametrize("case", ["nothing shared", "shards of each", "other shards"])
def test_computers_without_a_shared_folder_are_told_to_share_one(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, case: str
) -> None:
    out, data, shards = Path("run"), "text.txt", Path("run/tokens")
    if case != "nothing shared":
        data, shards = "shards", Path("shards")
        for node in range(2):
            text = TEXT * (node + 1) if case == "other shards" else TEXT
            Path("text.txt").write_text(text)
            write_shards(find_corpus("text.txt"), Tokenizer.train(TEXT, 300), Path(f"computer {node}/shards"))
    if case == "other shards":
        out = tmp_path / "run"
    for process in on_two_computers(start, "--data", data, "--out", out, "--steps", 10, restarts=0):
        output, _ = process.communicate(timeout=patience(600))
        assert process.returncode == 1
        assert (
            f"error: The processes do not all see the same {shards / 'index.json'} and the same {out}: put --out ("
            in output
        )
    left = [path for folder in (out, "computer 0" / out, "computer 1" / out) for path in folder.rglob("*")]
    assert all("tokens" in path.parts for path in left)


@pytest.mark.linux
def test_a_run_on_two_computers_that_lost_a_process_restarts_with_the_same_result(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    processes = on_two_computers(start, "--out", tmp_path / "run", "--steps", 200, "--batch-size", 2)
    wait_for(processes[0], "run", 50)
    os.kill(children(processes[1].pid)["1"], signal.SIGKILL)
    for process in processes:
        output, _ = process.communicate(timeout=patience(600))
        assert process.returncode == 0, output
    run(training(torchrun(2), "--out", "undisturbed", "--steps", 200, "--batch-size", 2))
    assert without_time("run") == without_time("undisturbed")


# ---- devices -----------------------------------------------------------------------------------------------------


def test_each_process_gets_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert local_device("auto") == local_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "device_count", lambda: 1)
    assert local_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match="'mps' works for one process only"):
        local_device("mps")
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert local_device("auto") == local_device("cuda") == torch.device("cuda:1")
    assert chosen == [torch.device("cuda:1")] * 2
    with pytest.raises(ValueError, match="'cuda:0' is one GPU, but 2 processes run here"):
        local_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 processes need 2 GPUs, but this computer has 1"):
        local_device("auto")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert local_device("cuda:0") == torch.device("cuda:0")
    assert chosen[2:] == [torch.device("cuda:0")]
    assert local_device("cuda") == torch.device("cuda")
    assert len(chosen) == 3
