"""Training learns, is reproducible, and survives being killed."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer
from gpt2_course.data import TokenStream, find_corpus, read_shards, write_shards
from gpt2_course.devices import best_device, best_precision, can_compile
from gpt2_course.evaluation import evaluate
from gpt2_course.history import read_history
from gpt2_course.lock import LOCK
from gpt2_course.tiny_world import documents
from gpt2_course.training.initialization import start_as_copier
from gpt2_course.training.schedule import learning_rate_factor
from gpt2_course.training.signals import stop_requests

ROOT = Path(__file__).resolve().parents[2]
TEXT = "".join(
    f"The {a} and the {b} shared {n} plums.\n" for n in range(40) for a in ("fox", "owl") for b in ("hen", "mole")
)
SMALL = GPT2Config(vocab_size=300, n_positions=32, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0.1)
CONFIG = TrainConfig(
    model=SMALL,
    context=32,
    batch_size=4,
    steps=60,
    report_every=25,
    checkpoint_every=7,
    log_every=5,
    sample_tokens=8,
)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    (tmp_path / "text.txt").write_text(TEXT)
    return replace(CONFIG, data=str(tmp_path / "text.txt"), out=str(tmp_path / "run"))


def command(config: TrainConfig, *options: str) -> list[str]:
    """The command that trains with CONFIG's settings, but with the steps, the text, and the folder of `config`."""
    settings = (
        f"--steps {config.steps} --checkpoint-every 7 --log-every 5 --report-every 25 --batch-size 4 --context 32"
    )
    shape = "--vocab-size 300 --n-positions 32 --n-embd 32 --n-layer 2 --n-head 2 --resid-pdrop 0.1 --sample-tokens 8"
    files = ["--data", config.data, "--out", config.out]
    return [sys.executable, str(ROOT / "train.py"), *settings.split(), *shape.split(), *files, *options]


def started(config: TrainConfig, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(config, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def without_time(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


HANG_UP = [signal.SIGHUP] if sys.platform != "win32" else []  # sent to a program when its terminal closes


def weights(folder: Path | str) -> bytes:
    return (Path(folder) / "model.safetensors").read_bytes()


# ---- it learns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_loss_falls_and_the_samples_become_words(config: TrainConfig, optimizer: str) -> None:
    history = Trainer.from_config(replace(config, optimizer=optimizer, steps=150)).train(verbose=False)
    reports = [entry for entry in history if "val_loss" in entry]
    assert reports[0]["step"] == 0
    assert reports[-1]["step"] == 150
    assert reports[0]["val_loss"] > 5
    assert reports[-1]["val_loss"] < 0.5 * reports[0]["val_loss"]
    assert set(reports[-1]["sample"].split()) & {"The", "fox", "owl", "hen", "mole", "shared", "plums."}


def test_accumulated_batches_have_the_gradient_of_one_large_batch() -> None:
    tokens = TokenStream([np.arange(4000, dtype=np.uint16) % 300], 300)
    losses = {}
    for batch_size, accumulation in ((8, 1), (2, 4)):
        torch.manual_seed(0)
        model = GPT2(replace(SMALL, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))
        settings = replace(CONFIG, batch_size=batch_size, accumulation=accumulation, warmup_steps=1)
        trainer = Trainer(model, tokens, tokens, settings)
        losses[accumulation] = [float(trainer.train_step()) for _ in range(5)]
    assert losses[1] == pytest.approx(losses[4], rel=1e-4)


def test_learning_rate_rises_linearly_and_falls_along_a_cosine() -> None:
    config = replace(CONFIG, steps=110, warmup_steps=10, final_lr_fraction=0.2)
    factors = [learning_rate_factor(step, config) for step in range(111)]
    assert factors[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert factors[10] == 1
    assert factors[60] == pytest.approx(0.6)
    assert factors[110] == pytest.approx(0.2)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_preset_gpt2_has_the_courses_settings() -> None:
    config = TrainConfig.for_preset("gpt2")
    assert (config.batch_size, config.context, config.learning_rate) == (16, 512, 0.001)
    assert (config.model.n_layer, config.model.n_head, config.model.n_embd) == (12, 12, 768)
    assert (config.model.n_positions, config.model.vocab_size, config.tokenizer) == (1024, 50257, "gpt2")


# ---- it uses the machine ---------------------------------------------------------------------------------------


@pytest.fixture
def without_dropout(config: TrainConfig) -> TrainConfig:
    return replace(config, model=replace(SMALL, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def test_bfloat16_gives_nearly_the_same_losses(without_dropout: TrainConfig, tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = replace(without_dropout, precision=precision, out=str(tmp_path / precision))
        trainer = Trainer.from_config(config)
        given: list[torch.Tensor] = []
        trainer.model.blocks[0].mlp.expand.register_forward_hook(lambda *args, given=given: given.append(args[2]))
        losses[precision] = torch.stack([trainer.train_step() for _ in range(60)])
        assert {layer.dtype for layer in given} == {getattr(torch, precision)}
        assert losses[precision].dtype == torch.float32
        assert all(weight.dtype == torch.float32 for weight in trainer.model.parameters())
    assert losses["bfloat16"][-1] < losses["bfloat16"][0] - 1
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=0, atol=0.02)  # bfloat16: 3 digits


@pytest.mark.slow
@pytest.mark.posix
def test_a_compiled_model_gives_the_same_losses_and_checkpoints(without_dropout: TrainConfig, tmp_path: Path) -> None:
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("needs a C++ compiler")
    losses = {}
    for choices in (("off", "off"), ("on", "off"), ("off", "on")):
        losses[choices] = []
        for part, choice in enumerate(choices):
            config = replace(without_dropout, compile=choice, out=str(tmp_path / "-".join(choices)))
            trainer = Trainer.from_config(config, resume=part == 1)
            assert trainer.compiled == (trainer._loss is not trainer.model) == (choice == "on")
            losses[choices] += [float(trainer.train_step()) for _ in range(10)]
            trainer.save()
        assert GPT2.from_pretrained(config.out).generate("The", seed=0) == trainer.model.generate("The", seed=0)
    for compiled in (("on", "off"), ("off", "on")):
        assert losses[compiled] == pytest.approx(losses["off", "off"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.posix
def test_compiling_without_a_compiler_is_refused_in_one_sentence(config: TrainConfig) -> None:
    environment = {**os.environ, "CXX": "/nowhere/g++"}
    done = subprocess.run(
        command(config, "--compile", "on"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: compile='on' does not work here")
    assert "or give --compile off.\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (Path(config.out) / "train_config.json").exists()


def test_automatic_precision_and_compiling_depend_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    supported = True
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert best_precision("auto", cuda) == best_precision("bfloat16", cpu) == "bfloat16"
    assert best_precision("auto", cpu) == best_precision("float32", cuda) == "float32"
    supported = False
    assert best_precision("auto", cuda) == "float32"

    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda size, device: zeros(size))  # this computer may have no cuda
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert can_compile("auto", cuda)
    assert can_compile("on", cpu)
    assert not can_compile("auto", cpu)
    assert not can_compile("off", cuda)
    monkeypatch.delattr(torch, "compile")  # as if it failed
    assert not can_compile("auto", cuda)


# ---- it is reproducible ----------------------------------------------------------------------------------------


def test_training_twice_gives_the_same_weights(config: TrainConfig, tmp_path: Path) -> None:
    runs = [replace(config, out=str(tmp_path / name)) for name in ("one", "two")]
    histories = [Trainer.from_config(run).train(verbose=False) for run in runs]
    assert weights(runs[0].out) == weights(runs[1].out)
    assert without_time(histories[0]) == without_time(histories[1])
    other = replace(config, out=str(tmp_path / "three"), seed=1)
    Trainer.from_config(other).train(verbose=False)
    assert weights(other.out) != weights(runs[0].out)


@pytest.mark.parametrize("seed", [1, 4096])
def test_another_seed_reads_different_windows(config: TrainConfig, tmp_path: Path, seed: int) -> None:
    config = replace(config, steps=3)
    trainers = [Trainer.from_config(replace(config, seed=s, out=str(tmp_path / f"seed {s}"))) for s in (0, seed)]
    rows = [t._rows(torch.Generator().manual_seed(t._seed_of(0))) for t in trainers]
    assert not torch.equal(*rows)


def test_reports_and_checkpoints_change_nothing(config: TrainConfig, tmp_path: Path) -> None:
    Trainer.from_config(config).train(verbose=False)
    busy = replace(config, out=str(tmp_path / "busy"), report_every=3, checkpoint_every=2, log_every=1)
    Trainer.from_config(busy).train(verbose=False)
    assert weights(busy.out) == weights(config.out)


# ---- it survives -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.posix
def test_a_run_killed_at_random_moments_and_resumed_ends_with_the_same_weights(
    config: TrainConfig, tmp_path: Path
) -> None:
    undisturbed = replace(config, out=str(tmp_path / "undisturbed"), steps=400)
    subprocess.run(command(undisturbed), check=True, capture_output=True)
    config = replace(config, steps=400)
    moments = random.Random(os.urandom(8))
    history = Path(config.out) / "history.jsonl"
    kills = 0
    for _ in range(30):
        resume = ["--resume"] if (Path(config.out) / "train_config.json").exists() else []
        before = history.stat().st_size if history.exists() else 0
        process = subprocess.Popen(
            command(config, *resume), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if kills < 4:
            written = before + moments.randrange(1, 1000)  # bytes; the whole history has about 8000
            while process.poll() is None and (history.stat().st_size if history.exists() else 0) < written:
                time.sleep(moments.uniform(0, 0.005))
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=patience(600))
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, output
    assert kills >= 2, f"only {kills} runs were killed in time"
    assert weights(config.out) == weights(undisturbed.out)
    entries = [
        [{k: v for k, v in e.items() if k != "seconds"} for e in read_history(Path(c.out))]
        for c in (config, undisturbed)
    ]
    assert entries[0] == entries[1]


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, *HANG_UP])
def test_ctrl_c_saves_and_says_how_to_resume(config: TrainConfig, tmp_path: Path, number: signal.Signals) -> None:
    config = replace(config, steps=3000)
    process = started(config)
    history = Path(config.out) / "history.jsonl"
    while process.poll() is None and (not history.exists() or len(history.read_text().splitlines()) < 4):
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=patience(600))
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "Stopped. Saved after step" in output
    step = int(output.split("after step ")[1].split(".")[0])
    assert torch.load(Path(config.out) / "training_state.pt", weights_only=True)["step"] == step > 0
    how = output.rstrip().splitlines()[-1].split()
    assert how[0] == "python"
    resumed = subprocess.run(
        [sys.executable, *how[1:], "--steps", str(step + 5)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert read_history(Path(config.out))[-1]["step"] == step + 5


def test_closing_the_terminal_stops_a_run_unless_nohup_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    if not HANG_UP:
        return  # Windows has no such signal
    number = HANG_UP[0]
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        with stop_requests() as stop_requested:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # the shell sends it, too
            os.close(master)
            print("no error, although the terminal is gone", flush=True)
            assert stop_requested.is_set()
    before = signal.signal(number, signal.SIG_IGN)  # what nohup does
    try:
        with stop_requests() as stop_requested:
            os.kill(os.getpid(), number)
            assert not stop_requested.is_set()
    finally:
        signal.signal(number, before)


# ---- two processes ---------------------------------------------------------------------------------------------


def test_two_processes_do_not_train_in_the_same_folder(
    config: TrainConfig, hold: Callable[[Path], subprocess.Popen[str]]
) -> None:
    other_process = hold(Path(config.out))
    for resume in (False, True):
        with pytest.raises(BlockingIOError, match=f"run is in use by process {other_process.pid}: wait until it ends"):
            Trainer.from_config(config, resume)
    assert [path.name for path in Path(config.out).iterdir()] == [LOCK]
    other_process.kill()
    other_process.wait()
    Trainer.from_config(config).train(verbose=False)


def test_the_folder_is_reserved_from_the_first_token_to_the_last_step(config: TrainConfig) -> None:
    lock = Path(config.out) / LOCK
    trainer = Trainer.from_config(config)
    assert lock.exists()
    trainer.train(verbose=False, on_report=lambda history: lock.read_text(encoding="utf-8"))
    assert not lock.exists()
    trainer = Trainer.from_config(config, resume=True)
    assert lock.exists()
    del trainer
    assert not lock.exists()
    with pytest.raises(FileExistsError):
        Trainer.from_config(config)
    assert not lock.exists()


def test_a_full_disk_keeps_the_last_checkpoint(config: TrainConfig, tmp_path: Path, small_disk: Path) -> None:
    config = replace(config, out=str(small_disk / "run"))
    trainer = Trainer.from_config(config)
    for _ in range(3):
        trainer.train_step()
    trainer.save()
    state = (small_disk / "run" / "training_state.pt").read_bytes()
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(max(0, free - len(state) // 2)))
    trainer.train_step()
    with pytest.raises(OSError, match=r"could not be written|No space left"):
        trainer.save()
    assert (small_disk / "run" / "training_state.pt").read_bytes() == state
    assert not list((small_disk / "run").glob("*.tmp"))
    (small_disk / "filler").unlink()
    again = Trainer.from_config(config, resume=True)
    assert again.step == 3
    GPT2.from_pretrained(config.out)


def test_a_run_is_not_overwritten(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    before = weights(config.out)
    with pytest.raises(FileExistsError, match="already contains a run or a model: continue it with --resume"):
        Trainer.from_config(config)
    assert weights(config.out) == before


def test_a_pickle_in_the_training_state_is_not_executed(config: TrainConfig, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "exploded",)

    Trainer.from_config(config).train(verbose=False)
    for broken in (pickle.dumps(Bomb()), b"", b"nonsense"):
        (Path(config.out) / "training_state.pt").write_bytes(broken)
        with pytest.raises(ValueError, match=r"training_state\.pt is not a checkpoint of this run"):
            Trainer.from_config(config, resume=True)
    assert not (tmp_path / "exploded").exists()


def test_a_refused_resume_changes_nothing(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    with pytest.raises(ValueError, match="is not a checkpoint of this run"):
        Trainer.from_config(replace(config, optimizer="adamw"), resume=True)
    kept = TrainConfig.load(Path(config.out))
    assert kept == config
    assert Trainer.from_config(kept, resume=True).step == 60


def test_a_resume_with_nothing_to_do_changes_no_setting(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    for steps in (5, 60):
        assert Trainer.from_config(replace(config, steps=steps, seed=1), resume=True).step == 60
        assert TrainConfig.load(Path(config.out)) == config
    Trainer.from_config(replace(config, steps=61), resume=True)
    assert TrainConfig.load(Path(config.out)).steps == 61


def test_a_run_is_not_resumed_with_another_text(config: TrainConfig, tmp_path: Path) -> None:
    Trainer.from_config(config).train(verbose=False)
    for change in ({"data": str(tmp_path / "other.txt")}, {"tokenizer": "gpt2"}, {"val_fraction": 0.2}):
        with pytest.raises(ValueError, match=f"started with {next(iter(change))}=.*and cannot be resumed with"):
            Trainer.from_config(replace(config, **change), resume=True)
    assert TrainConfig.load(Path(config.out)) == config


def test_a_run_is_not_resumed_with_another_model(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    before = (Path(config.out) / "config.json").read_bytes()
    changes = {"n_head": 4, "layer_norm_epsilon": 1e-3, "n_embd": 48, "n_layer": 3, "n_positions": 64, "vocab_size": 9}
    for name, value in changes.items():
        other = replace(config, steps=99, model=replace(SMALL, **{name: value}))  # type: ignore[arg-type]
        with pytest.raises(
            ValueError, match=f"started with {name}={getattr(SMALL, name)} and cannot be resumed with {value}"
        ):
            Trainer.from_config(other, resume=True)
    assert TrainConfig.load(Path(config.out)) == config
    assert (Path(config.out) / "config.json").read_bytes() == before


def test_a_learning_rate_that_made_the_run_diverge_is_not_kept(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    wild = replace(config, steps=80, learning_rate=1e30, muon_learning_rate=0.001)
    trainer = Trainer.from_config(wild, resume=True)
    assert TrainConfig.load(Path(config.out)) == wild  # a killed run would resume with it
    del trainer
    with pytest.raises(
        ValueError, match=r"lower learning rate than 1e\+30 .*; by default, --resume goes back to 0\.01 "
    ):
        Trainer.from_config(TrainConfig.load(Path(config.out)), resume=True).train(verbose=False)
    kept = TrainConfig.load(Path(config.out))
    assert kept == replace(wild, learning_rate=config.learning_rate)
    assert Trainer.from_config(kept, resume=True).train(verbose=False)[-1]["step"] == 80


def test_a_model_that_a_killed_run_did_not_write_is_written_on_resume(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    before = weights(config.out)
    (Path(config.out) / "model.safetensors").unlink()
    Trainer.from_config(config, resume=True)
    assert weights(config.out) == before


@pytest.mark.parametrize("name", ["training_state.pt", "train_config.json", "grades.json"])
def test_unfinished_files_of_a_killed_process_are_removed(config: TrainConfig, name: str) -> None:
    unfinished, other = Path(config.out) / f"{name}.99999999.tmp", Path(config.out) / "notes.tmp"
    for resume in (False, True):
        Path(config.out).mkdir(exist_ok=True)
        for path in (unfinished, other):
            path.touch()
        Trainer.from_config(config, resume)
        assert not unfinished.exists()
        assert other.exists()


def test_resuming_with_another_learning_rate_uses_it(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    trainer = Trainer.from_config(replace(config, muon_learning_rate=0.001, steps=90), resume=True)
    assert trainer.optimizers[0].param_groups[0]["initial_lr"] == 0.001


def test_a_resumed_run_may_turn_the_fused_optimizer_on_or_off(config: TrainConfig, tmp_path: Path) -> None:
    losses = {}
    for choices in (("off", "off"), ("on", "off"), ("off", "on")):
        losses[choices] = []
        for part, choice in enumerate(choices):
            run = replace(config, fused=choice, out=str(tmp_path / "-".join(choices)))
            trainer = Trainer.from_config(run, resume=part == 1)
            assert trainer.fused == (choice == "on")
            losses[choices] += [float(trainer.train_step()) for _ in range(5)]
            trainer.save()
    for changed in (("on", "off"), ("off", "on")):
        assert losses[changed] == pytest.approx(losses["off", "off"], abs=1e-4)


def test_broken_weights_never_replace_a_checkpoint(config: TrainConfig) -> None:
    trainer = Trainer.from_config(config)
    trainer.save()
    torch.nn.init.constant_(trainer.model.final_norm.weight, float("nan"))
    with pytest.raises(ValueError, match="infinite or NaN"):
        trainer.save()
    assert Trainer.from_config(config, resume=True).model.final_norm.weight.isfinite().all()


@pytest.mark.parametrize("tail", [b'{"step": 9, "sample": "\xc3', b'{"step"', b""])
def test_a_truncated_history_is_read_up_to_its_last_whole_line(tmp_path: Path, tail: bytes) -> None:
    entries = [{"step": n, "loss": None, "val_loss": 2.5, "sample": s} for n, s in enumerate(["line\u2028\x85", "é"])]
    lines = b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)
    (tmp_path / "history.jsonl").write_bytes(lines + tail)
    assert read_history(tmp_path) == entries


@pytest.mark.parametrize(
    "line",
    [
        *["5", "null", "[]", "{}", '"step"', "half", '{"step": "1", "loss": 2.5}', '{"step": 1, "loss": "small"}'],
        *['{"step": 1, "val_loss": 2.5}', '{"step": 1, "loss": null, "val_loss": null, "sample": ""}'],
        *['{"step": 1, "val_loss": 2.5, "sample": "", "rules": ' + rules for rules in ("[1]}", '{"a": "b"}}', "null}")],
    ],
)
def test_an_invalid_line_in_the_history_is_reported_by_number(tmp_path: Path, line: str) -> None:
    entry = '{"step": 1, "loss": 2.5}\n'
    (tmp_path / "history.jsonl").write_text(f"{entry}{line}\n{entry}")
    with pytest.raises(ValueError, match=r"^Line 2 of .*history\.jsonl is not an entry .*: delete that line"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: b"\xff\xfe" + text, "'utf-8' codec can't decode byte 0xff"),
        (lambda text: text[:40], "Unterminated string|Expecting"),
        (lambda text: b"[1, 2]", "AttributeError"),
        (lambda text: b"{}", "KeyError.'model'"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": "x"'), "seed must be an integer, but is 'x'"),
        (lambda text: text.replace(b'"steps": 60', b'"steps": true'), "steps must be an integer, but is True"),
        (lambda text: text.replace(b'"out": ', b'"out": 5, "x": '), "TypeError"),
        (lambda text: text.replace(b'"out": ', b'"out": 5, "data": '), "out must be a string, but is 5"),
        (lambda text: text.replace(b'"n_head": 2', b'"n_head": 0'), "n_head must be"),
    ],
)
def test_unreadable_settings_are_refused_with_the_name_of_their_file(
    config: TrainConfig, change: Any, reason: str
) -> None:
    path = Path(config.out) / "train_config.json"
    config.save(Path(config.out))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(
        ValueError, match=rf"train_config\.json does not contain the settings of a run \(.*({reason}).*: correct it"
    ):
        TrainConfig.load(Path(config.out))


def test_the_history_has_one_json_object_per_line(config: TrainConfig) -> None:
    Trainer.from_config(config).train(verbose=False)
    lines = (Path(config.out) / "history.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [e["step"] for e in entries if "val_loss" not in e] == list(range(5, 61, 5))
    assert [e["step"] for e in entries if "val_loss" in e] == [0, 1, 2, 5, 10, 20, 25, 50, 60]
    assert all(e["seconds"] >= 0 for e in entries)


# ---- runs of the first edition -----------------------------------------------------------------------------------

FIRST_EDITION = ROOT / "tests/fixtures/first_edition"  # made with the code from before its settings were renamed


def test_a_run_of_the_first_edition_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FIRST_EDITION, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    settings = TrainConfig.load(Path("run"))
    assert (settings.final_lr_fraction, settings.report_sequences) == (0.1, 4)
    trainer = Trainer.from_config(settings, resume=True)
    assert (trainer.step, trainer.config.steps) == (10, 20)
    trainer.train(verbose=False)
    for name, weight in load_file("resumed.safetensors").items():  # from the same run, finished with the old code
        torch.testing.assert_close(load_file("run/model.safetensors")[name], weight, rtol=1e-4, atol=3e-5)
    assert TrainConfig.load(Path("run")) == settings
    assert "final_learning_rate" not in Path("run/train_config.json").read_text(encoding="utf-8")


def test_a_model_of_the_first_edition_loads() -> None:
    model = GPT2.from_pretrained(FIRST_EDITION / "run")
    assert model.generate("One day", max_new_tokens=5, temperature=0).startswith("One day")
    assert read_history(FIRST_EDITION / "run")[-1]["val_loss"] == pytest.approx(4.654646635)


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, but is 0"),
        ({"learning_rate": -1}, "learning_rate must be finite and at least 0, but is -1"),
        ({"sample_tokens": -1}, "sample_tokens must be finite and at least 0, but is -1"),
        ({"grade_samples": -1}, "grade_samples must be finite and at least 0, but is -1"),
        ({"steps": "5"}, "steps must be an integer, but is '5'"),
        ({"learning_rate": None}, "learning_rate must be a number, but is None"),
        ({"model": "laptop"}, "model must be a GPT2Config, but is 'laptop'"),
        ({"clip": 0}, "clip must be above 0, but is 0"),
        ({"context": 33}, "context=33 is longer than the model's n_positions=32"),
        ({"optimizer": "sgd"}, "optimizer must be muon or adamw, but is 'sgd'"),
        ({"precision": "float16"}, "precision must be auto, float32, or bfloat16, but is 'float16'"),
        ({"compile": "yes"}, "compile must be auto, on, or off, but is 'yes'"),
        ({"fused": "yes"}, "fused must be auto, on, or off, but is 'yes'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **settings)


def test_a_text_too_short_for_the_context_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Too short.\nIndeed.\n")
    with pytest.raises(ValueError, match=r"training text has only \d+ tokens, but a sequence takes 33"):
        Trainer.from_config(config)


def test_a_loss_that_is_not_a_number_stops_the_run(config: TrainConfig) -> None:
    trainer = Trainer.from_config(replace(config, optimizer="adamw", learning_rate=1e30))
    with pytest.raises(ValueError, match=r"infinite or NaN by step \d: train with a lower learning rate"):
        trainer.train(verbose=False)


@pytest.mark.parametrize("device", ["toaster", "cpu:", "cpu:999999999999", "meta", "cuda:7", "mps:1"])
def test_an_unknown_device_is_refused(config: TrainConfig, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, n_devices in ((torch.cuda, 7), (torch.mps, 1)):  # whatever this computer has
        monkeypatch.setattr(backend, "is_available", lambda: True)
        monkeypatch.setattr(backend, "device_count", lambda n_devices=n_devices: n_devices)
    with pytest.raises(ValueError, match=f"no device '{device}' here: choose auto or one of cuda, mps, cpu"):
        Trainer.from_config(replace(config, device=device))
    assert best_device("cuda:6") == torch.device("cuda:6")
    assert best_device("cpu:0").type == best_device("cpu").type == "cpu"


def test_training_on_shards_uses_their_tokenizer(config: TrainConfig, tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(TEXT, 290)
    write_shards(find_corpus(config.data), tokenizer, tmp_path / "shards", shard_tokens=500)
    trainer = Trainer.from_config(replace(config, data=str(tmp_path / "shards")))
    assert trainer.model.tokenizer == tokenizer
    trainer.train(verbose=False)
    assert not (Path(config.out) / "tokens").exists()


def test_short_documents_without_end_tokens_are_read_as_one_text(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for n, line in enumerate(TEXT.splitlines()):
        (tmp_path / f"texts/{n:03}.txt").write_text(line)
    tokenizer = Tokenizer.train(TEXT, 290, special_tokens=())
    write_shards(find_corpus(str(tmp_path / "texts")), tokenizer, tmp_path / "shards")
    trainer = Trainer.from_config(replace(config, data=str(tmp_path / "shards")))
    assert not trainer.val_data.fits(1000)
    trainer.train(verbose=False)
    assert evaluate(trainer.model, tokenizer, trainer.val_data).n_tokens > 0


@pytest.mark.parametrize("old", [False, True], ids=["this version", "another version"])
def test_reports_on_tiny_world_say_what_each_rule_costs(config: TrainConfig, old: bool) -> None:
    folder = Path(config.out)
    shards = folder.parent / "shards"
    world = [document.text for document in islice(documents(0, "val"), 40)]
    tokenizer = Tokenizer.train(world, 300)
    shape = replace(SMALL, vocab_size=300, n_positions=1200)
    config = replace(config, model=shape, context=1000, batch_size=1, steps=3, report_every=3, report_sequences=9)
    write_shards(find_corpus("tiny-world:20"), tokenizer, shards)
    _, train, val = read_shards(shards)
    if old:  # of another world: a document that is not in this one
        val.arrays[0] = val.arrays[0].copy()
        val.arrays[0][5:8] = val.arrays[0][5]
    trainer = Trainer(GPT2(shape, tokenizer), train, val, config, folder)
    trainer.train(verbose=False)
    for report in [entry for entry in read_history(folder) if "val_loss" in entry]:
        assert ("rules" in report) is not old
        if not old:
            assert "a name carried on" in report["rules"]
            excess = report["val_loss"] - report["floor"]
            assert sum(report["rules"].values()) == pytest.approx(excess, abs=2e-5)


# ---- evaluation ------------------------------------------------------------------------------------------------


def test_a_model_that_knows_nothing_has_the_loss_of_a_uniform_guess() -> None:
    tokenizer = Tokenizer.train(TEXT, 300)
    model = GPT2(replace(SMALL, vocab_size=tokenizer.vocab_size), tokenizer)
    torch.nn.init.zeros_(model.final_norm.weight)
    ids = tokenizer.encode(TEXT)
    result = evaluate(model, tokenizer, TokenStream([np.array(ids, np.uint16)], tokenizer.vocab_size))
    assert result.perplexity == pytest.approx(tokenizer.vocab_size, rel=1e-4)
    assert result.n_tokens == (len(ids) - 1) // 32 * 32
    predicted = tokenizer.decode_bytes(ids[1 : result.n_tokens + 1])
    assert result.n_bytes == len(predicted)
    bits = np.log2(tokenizer.vocab_size) * result.n_tokens / len(predicted)
    assert result.bits_per_byte == pytest.approx(bits, rel=1e-4)


def test_attention_can_start_by_copying() -> None:
    torch.manual_seed(0)
    model = GPT2(SMALL)
    length = model.blocks[0].attention.qkv.weight.norm().item()
    start_as_copier(model)
    C = SMALL.n_embd
    for block in model.blocks:
        qkv, projection = block.attention.qkv.weight, block.attention.projection.weight
        assert torch.equal(qkv[:C], qkv[C : 2 * C])
        copied = projection @ qkv[2 * C :]  # attention's output is its input, scaled down
        torch.testing.assert_close(copied, torch.eye(C) * copied[0, 0], atol=1e-6, rtol=0)
    assert model.blocks[0].attention.qkv.weight.norm().item() == pytest.approx(length, rel=0.1)
