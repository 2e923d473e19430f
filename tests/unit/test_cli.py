"""The command line: what each command does, and how it reports mistakes."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from torch.distributed import DistBackendError
from transformers import GPT2LMHeadModel

from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer
from gpt2_course.cli import COMMANDS, UNFINISHED, _resume_command, main
from gpt2_course.data import read_shards
from gpt2_course.history import read_history
from gpt2_course.lock import LOCK

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The fox and the owl shared a plum. The hen and the mole ran home.\n" * 200
SHAPE = "--vocab-size 300 --n-positions 32 --n-embd 32 --n-layer 2 --n-head 2 --context 32"
TRAIN = [
    "train",
    *SHAPE.split(),
    *["--batch-size", "4", "--steps", "40", "--report-every", "20", "--sample-tokens", "8"],
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT)


@pytest.fixture
def model() -> str:
    tokenizer = Tokenizer.train(TEXT, 300)
    GPT2(GPT2Config(tokenizer.vocab_size, 32, 32, 2, 2), tokenizer).save_pretrained("model")
    return "model"


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that fails with exit code 1; returns its error, which must be one line."""
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


def usage_error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that fails with exit code 2; returns its error without the box around it and line breaks."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


# ---- commands that succeed -------------------------------------------------------------------------------------


def test_train_generate_evaluate_and_export_in_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--data", "text.txt", "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    assert "Device: cpu, float32, not compiled, AdamW fused, 1 process." in output
    reports = [line for line in output.splitlines() if line.startswith("step")]
    assert [line.split("│")[0].split()[1] for line in reports] == ["0", "1", "2", "5", "10", "20", "40"]
    assert "gpt2_course.cli generate" in output.splitlines()[-1]
    assert Path("runs/laptop-text/loss.svg").read_text().startswith("<?xml")

    assert main(["generate", "The fox", "--seed", "1", "--max-new-tokens", "9"]) == 0
    assert (written := capsys.readouterr().out).startswith("The fox")
    assert main(["generate", "The fox", "--seed", "1", "--max-new-tokens", "9"]) == 0
    assert capsys.readouterr().out == written

    assert main(["generate", "The fox", "--int8", "--max-new-tokens", "9"]) == 0
    assert capsys.readouterr().out.startswith("The fox")

    assert main(["evaluate", "--data", "text.txt"]) == 0
    assert "bits per byte" in capsys.readouterr().out

    assert main(["export", "--model", "runs/laptop-text", "--out", "shared"]) == 0
    assert GPT2LMHeadModel.from_pretrained("shared").num_parameters() == GPT2.from_pretrained("shared").num_parameters()


def test_on_tiny_world_training_names_the_costliest_rule_and_evaluation_prints_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt2_course.data.text.VAL_DOCUMENTS", 20)
    shape = ["--n-positions", "1200", "--context", "1100"]  # enough for whole documents
    few = ["--steps", "2", "--batch-size", "1", "--grade-samples", "0", "--sample-tokens", "0"]
    assert main([*TRAIN, *shape, *few, "--data", "tiny-world:100", "--out", "run"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("The rule that costs"))
    rules = read_history(Path("run"))[-1]["rules"]
    worst = max(rules, key=rules.__getitem__)
    share = rules[worst] / sum(rules.values())
    assert line == f"The rule that costs it most: {worst}, {share:.0%} of its loss above the floor."

    assert main(["evaluate", "--model", "run", "--by-rule", "--samples", "0"]) == 0
    table = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert table[1].startswith("pure chance")
    assert table[2].startswith(worst)
    assert f"{share:6.1%}" in table[2]
    assert len(table) == 2 + len(rules) + 1


@pytest.mark.posix
def test_the_last_line_of_training_is_a_command_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    main([*TRAIN, "--data", "text.txt", "--out", "elsewhere"])
    line = capsys.readouterr().out.splitlines()[-1].strip()
    typed = subprocess.run(
        f"{Path(sys.executable).parent}/{line}", shell=True, capture_output=True, text=True, check=True
    )
    assert typed.stdout.startswith("Once upon a time")


def test_tokenize_then_train_on_the_shards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenize", "--data", "text.txt", "--out", "shards"]) == 0
    tokenizer, train, val = read_shards(Path("shards"))
    assert tokenizer == Tokenizer.gpt2()
    assert f"{len(train):,} tokens for training, {len(val):,} for validation" in capsys.readouterr().out
    assert main([*TRAIN, "--data", "shards", "--steps", "2"]) == 0
    assert GPT2.from_pretrained("runs/laptop-shards").config.vocab_size == 50257


def test_runs_on_different_texts_get_different_folders(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.txt").write_text(TEXT)
    few = [*TRAIN, "--steps", "2"]
    for data in ("tiny-world:200", "text.txt", "other.txt"):
        assert main([*few, "--grade-samples", "0", "--data", data]) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["laptop", "laptop-other", "laptop-text"]
    assert main(["train", "--resume", "--steps", "3", "--data", "text.txt", "--fused", "off"]) == 0
    assert "AdamW not fused" in capsys.readouterr().out
    assert main(["train", "--resume", "--steps", "4", "--out", "runs/laptop-other"]) == 0
    ends = [TrainConfig.load(Path("runs", name)).steps for name in ("laptop", "laptop-text", "laptop-other")]
    assert ends == [2, 3, 4]


def test_the_command_to_resume_names_the_run() -> None:
    assert _resume_command(TrainConfig(), 1) == "python train.py --preset laptop --resume"
    assert _resume_command(TrainConfig.for_preset("story"), 1) == "python train.py --preset story --resume"
    assert _resume_command(TrainConfig(data="my text.txt"), 1).endswith(
        f" --out {Path('runs/laptop-my-text')} --resume"
    )


def test_a_run_whose_folder_was_renamed_resumes_in_place() -> None:
    assert main([*TRAIN, "--steps", "2", "--data", "text.txt"]) == 0
    Path("runs/laptop-text").rename("runs/laptop")
    assert main(["train", "--resume", "--steps", "3"]) == 0
    assert [path.name for path in Path("runs").iterdir()] == ["laptop"]
    assert TrainConfig.load(Path("runs/laptop")).steps == 3


def test_the_number_of_graded_samples_survives_a_resume() -> None:
    assert main([*TRAIN, "--steps", "1", "--data", "text.txt", "--out", "run", "--grade-samples", "7"]) == 0
    assert main(["train", "--resume", "--steps", "2", "--out", "run"]) == 0
    assert TrainConfig.load(Path("run")).grade_samples == 7


@pytest.mark.parametrize(
    ("number", "data", "asked"),
    [
        (signal.SIGINT, "tiny-world:200", ""),
        (signal.SIGINT, "tiny-world-dialogues:40", " --data tiny-world-dialogues"),
        *([] if sys.platform == "win32" else [(signal.SIGTERM, "tiny-world:200", "")]),
    ],
)
def test_stopping_during_grading_tells_where_the_model_is_and_how_to_grade_it(
    number: signal.Signals,
    data: str,
    asked: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("grade", "grade_answers"):
        monkeypatch.setattr(f"gpt2_course.cli.{name}", lambda *_, **__: signal.raise_signal(number))
    monkeypatch.setattr("gpt2_course.cli._print_continuation", lambda *_: None)
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    few = [*TRAIN, "--steps", "2", "--data", data, "--out", "my run", "--grade-samples", "7"]
    assert main(few) == 130
    output = capsys.readouterr().out
    assert "\nStopped. The model is saved in my run.\nTo grade it later:\n" in output
    assert output.splitlines()[-1].endswith(f".cli evaluate --model 'my run'{asked} --samples 7")
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert GPT2.from_pretrained("my run").config.n_embd == 32
    assert not (Path("my run") / LOCK).exists()


def test_an_export_that_was_killed_can_be_repeated(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = GPT2.save_pretrained

    def is_killed(self: GPT2, folder: Path, dtype: object) -> None:
        save(self, folder)
        (folder / "merges.txt").unlink()
        raise SystemExit

    command = ["export", "--model", model, "--out", "shared"]
    monkeypatch.setattr(GPT2, "save_pretrained", is_killed)
    with pytest.raises(SystemExit):
        main(command)
    Path("shared", LOCK).touch()  # a killed process leaves its lock behind
    assert (Path("shared") / UNFINISHED / "model.safetensors").exists()
    monkeypatch.setattr(GPT2, "save_pretrained", save)
    assert main(command) == 0
    assert sorted(path.name for path in Path("shared").iterdir()) == sorted(path.name for path in Path(model).iterdir())
    GPT2.from_pretrained("shared")
    capsys.readouterr()
    assert "shared is not empty: choose another folder with --out" in error_of(capsys, *command)


def test_a_preset_changes_the_defaults_and_options_override_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--preset", "gpt2", "--batch-size", "4", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(default: 0.001)" in text
    assert "(default: 512)" in text
    assert "(default: 768)" in text


def test_chat_streams_until_an_empty_line(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("The fox\nThe owl\n\n"))
    assert main(["chat", "--model", model, "--max-new-tokens", "5"]) == 0
    output = capsys.readouterr().out
    assert "> The fox" in output
    assert "> The owl" in output
    monkeypatch.setattr("sys.stdin", io.StringIO("The fox\n"))  # ends without an empty line, as after Ctrl-D
    assert main(["chat", "--model", model, "--max-new-tokens", "5"]) == 0


@pytest.mark.parametrize("arguments", [["--help"], [], *[[name, "--help"] for name in COMMANDS]])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):  # with any other code than 0, stderr would not be empty
        assert main(arguments) == 0
    output, errors = capsys.readouterr()
    assert not errors
    assert "usage: gpt2-course" in output
    for name, command in COMMANDS.items():
        if arguments in (["--help"], []):
            assert f"{name:10}{(command.__doc__ or '').splitlines()[0]}" in output


def test_the_help_of_training_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    for i, line in enumerate(lines):
        if re.match("--[a-z]", line):
            _, *explanation = re.split(r"\s{2,}", line, maxsplit=1)  # next to the option, or below it
            assert (explanation or [lines[i + 1]])[0][:1].isalpha(), line


# ---- mistakes --------------------------------------------------------------------------------------------------


def test_two_processes_do_not_write_to_one_folder(
    model: str, hold: Callable[[Path], subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    process = hold(Path("busy"))
    TrainConfig(data="text.txt", out="busy").save(Path("busy"))
    for command in (
        [*TRAIN, "--data", "text.txt"],
        ["train", "--resume"],
        ["tokenize", "--data", "text.txt"],
        ["export", "--model", model],
    ):
        message = error_of(capsys, *command, "--out", "busy")
        assert f"error: busy is in use by process {process.pid}: wait until it ends, or give another" in message
    assert sorted(path.name for path in Path("busy").iterdir()) == [LOCK, "train_config.json"]


def test_a_command_that_fails_leaves_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    error_of(capsys, "train", "--data", "nosuch.txt")
    error_of(capsys, "tokenize", "--data", "nosuch.txt")
    error_of(capsys, "export", "--model", "nosuch", "--out", "a/b")
    assert [path.name for path in Path().iterdir()] == ["text.txt"]


def test_closed_streams_cause_no_traceback(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # chat <&-
    said = error_of(capsys, "chat", "--model", model)
    assert said == "error: chat reads from standard input, but it is closed: start it in a terminal.\n"
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main([*TRAIN, "--steps", "1", "--data", "text.txt", "--out", "run"]) == 0


def test_chat_replaces_bytes_that_are_not_utf8(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"The \xff fox\n"), encoding="utf-8"))
    assert main(["chat", "--model", model, "--max-new-tokens", "5"]) == 0
    assert "> The \ufffd fox" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--data", "--preset", "--out", "--steps"])
def test_an_option_without_a_value_points_to_the_commands_help(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = usage_error_of(capsys, "train", option)
    assert f"Missing value for argument '{option}'" in output
    assert "run gpt2-course train --help" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--preset", "huge"], "There is no preset 'huge'"),
        (["train", "--data", "nosuch.txt"], "There is no text 'nosuch.txt'"),
        (["train", "--data", "empty.txt"], "empty.txt is empty"),
        (["train", "--data", "short.txt"], "tokens, but a sequence takes 337"),
        (["train", "--data", "latin.txt"], "is not UTF-8 text (byte 0xe9 at position 3)"),
        (["train", "--resume"], "There is no run to resume in runs/laptop"),
        (["train", "--device", "toaster"], "There is no device 'toaster' here"),
        (["train", "--data", "text.txt", "--tokenizer", "nowhere"], "nowhere"),
        (["train", "--reward", "judge"], "--reward trains a finished model: say which"),
        (["train", "--reward", "judge", "--resume"], "There is no run to resume in runs/reward"),
        (["train", "--from", "nowhere", "--reward", "judge"], "There is no model folder 'nowhere'"),
        (
            ["train", "--from", "model", "--reward", "judge", "--report-sequences", "2"],
            "model does not know Tiny World",
        ),
        (["generate", "--model", "nowhere"], "There is no model folder 'nowhere'"),
        (["evaluate", "--model", "model", "--data", "nosuch"], "There is no text 'nosuch'"),
        (["evaluate", "--model", "model", "--data", "text.txt", "--val-fraction", "7"], "val_fraction must be"),
        (["evaluate", "--model", "model", "--data", "text.txt", "--by-rule"], "another text: choose Tiny World"),
        (["tokenize", "--data", "text.txt", "--out", "shards", "--tokenizer", "nowhere"], "nowhere"),
        (["export", "--model", "model", "--out", "."], "is not empty: choose another folder"),
    ],
)
def test_a_mistake_prints_one_sentence(
    arguments: list[str], message: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").touch()
    Path("short.txt").write_text("Too short to learn from.\n")
    Path("latin.txt").write_bytes("café au lait\n".encode("latin-1") * 999)
    assert message in error_of(capsys, *arguments)


def test_only_errors_from_a_lost_process_are_reported_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [
        RuntimeError("[/pytorch/gloo/transport/tcp/pair.cc:537] Read error"),
        DistBackendError("NCCL"),
        RuntimeError(),
    ]

    def fails(*_: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(Trainer, "from_config", fails)
    monkeypatch.setattr(os, "_exit", sys.exit)
    for _ in range(2):
        with pytest.raises(SystemExit, match="1"):
            main(["train"])
        assert "error: Another process of this run has died" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        main(["train"])


def test_shards_and_runs_are_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["tokenize", "--data", "text.txt", "--out", "shards"], [*TRAIN, "--data", "text.txt"]):
        assert main(command) == 0
        capsys.readouterr()
        assert "already contains" in error_of(capsys, *command)


def test_shards_of_another_tokenizer_are_not_evaluated(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tokenize", "--data", "text.txt", "--out", "shards"])
    capsys.readouterr()
    assert "made with a different tokenizer" in error_of(capsys, "evaluate", "--model", model, "--data", "shards")


def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert "file" in error_of(capsys, *TRAIN, "--data", "text.txt", "--out", "file/run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--n-head", "5"], "n_embd=128 cannot be split into n_head=5"),
        (["train", "--steps", "0"], "steps must be at least 1, but is 0"),
        (["train", "--optimizer", "sgd"], "optimizer must be muon or adamw, but is 'sgd'"),
        (["generate", "--top-p", "2"], "top_p must be above 0 and at most 1"),
        (["generate", "--temperature", "hot"], "Error parsing --temperature"),
    ],
)
def test_an_impossible_setting_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = usage_error_of(capsys, *arguments)
    assert message in output
    assert "Traceback" not in output


def test_unknown_commands_and_options_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "There is no command 'trian'" in capsys.readouterr().err
    assert "--stepz" in usage_error_of(capsys, "train", "--stepz", "3")


@pytest.mark.posix
def test_a_closed_pipe_is_not_an_error(model: str) -> None:
    command = f"'{sys.executable}' -m gpt2_course.cli generate The --model {model} --max-new-tokens 3000 | head -c 5"
    result = subprocess.run(command, shell=True, capture_output=True, check=True, env={"PYTHONPATH": str(ROOT)})
    assert len(result.stdout) == 5
    assert b"Traceback" not in result.stderr
