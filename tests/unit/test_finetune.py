"""Fine-tuning: it starts from a finished model, keeps the best one, and survives being killed."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_hub import Handler, Hub, address, use

from benchmarks import finetune
from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer, hub
from gpt2_course.cli import main
from gpt2_course.data import TokenStream, find_corpus, write_shards
from gpt2_course.evaluation import evenly_spaced_windows, mean_loss
from gpt2_course.history import read_history
from gpt2_course.training import FineTuner
from gpt2_course.training.finetune import EPOCHS, MIN_CONTEXT, MIN_STEPS, first_words
from gpt2_course.training.run_folder import STATE

ROOT = Path(__file__).resolve().parents[2]
TEXT = "".join(f"The fox has {n} plums and the owl has {n + 1}.\nThe mole ran home.\n" for n in range(150))
SHAPE = GPT2Config(
    vocab_size=300, n_positions=48, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0.1, attn_pdrop=0.1, embd_pdrop=0.1
)
FEW = {"context": 32, "steps": 40, "report_every": 10, "checkpoint_every": 7, "sample_tokens": 6, "device": "cpu"}


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT)
    tokenizer = Tokenizer.train(TEXT, 300)
    torch.manual_seed(0)
    GPT2(replace(SHAPE, vocab_size=tokenizer.vocab_size), tokenizer).save_pretrained("model")


def settings(preset: str = "finetune", **changes: Any) -> TrainConfig:
    config = TrainConfig.for_preset(preset, changes.pop("start", "model"))
    return replace(config, data="text.txt", **{"learning_rate": 1e-2, "lora": config.lora and 4, **FEW, **changes})


def command(config: TrainConfig, *options: str) -> list[str]:
    """The command that fine-tunes with these settings."""
    names = (*FEW, "learning_rate", "data", "out", "lora", "patience")
    given = [part for n in names for part in (f"--{n.replace('_', '-')}", str(getattr(config, n)))]
    return [sys.executable, str(ROOT / "train.py"), "--from", config.start, *given, *options]


def weights(folder: Path | str) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_time(folder: Path | str) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in read_history(Path(folder))]


def usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one-sentence error of a command that fails."""
    capsys.readouterr()
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert "Traceback" not in message
    return message


# ---- it starts from the model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["finetune", "lora"])
def test_the_first_report_is_the_start_and_the_loss_falls(preset: str) -> None:
    config = settings(preset, out="run")
    trainer = FineTuner.from_config(config)
    start = GPT2.from_pretrained("model")
    assert trainer.model.tokenizer == start.tokenizer
    starts = evenly_spaced_windows(trainer.val_data, 33, config.report_sequences)
    expected = mean_loss(start, trainer.val_data, starts, 32, config.batch_size)
    history = trainer.train(verbose=False)
    reports = [entry for entry in history if "val_loss" in entry]
    assert reports[0]["step"] == 0
    assert reports[0]["val_loss"] == pytest.approx(expected, abs=1e-5)
    assert trainer.best_loss < reports[0]["val_loss"] - 0.1
    assert not (Path("run/start").exists() and preset == "finetune")
    found = mean_loss(GPT2.from_pretrained("run"), trainer.val_data, starts, 32, config.batch_size)
    assert found == pytest.approx(trainer.best_loss, abs=1e-5)


def test_the_folder_keeps_the_model_with_the_lowest_held_out_loss_not_the_last() -> None:
    config = settings(out="run", learning_rate=0.05, steps=300, patience=2, final_lr_fraction=1.0)
    trainer = FineTuner.from_config(config)
    reports = [entry for entry in trainer.train(verbose=False) if "val_loss" in entry]
    best = min(reports, key=lambda entry: entry["val_loss"])
    assert (trainer.best_step, trainer.best_loss) == (best["step"], best["val_loss"])
    assert trainer.stopped_early
    assert trainer.best_step < trainer.step == trainer.best_step + 20 < 300
    starts = evenly_spaced_windows(trainer.val_data, 33, config.report_sequences)
    losses = [mean_loss(m, trainer.val_data, starts, 32, 4) for m in (GPT2.from_pretrained("run"), trainer.model)]
    assert losses[0] == pytest.approx(best["val_loss"], abs=1e-5)
    assert losses[1] == pytest.approx(reports[-1]["val_loss"], abs=1e-5)
    assert losses[0] < losses[1]


def test_without_patience_a_run_never_stops_early() -> None:
    config = settings(out="run", learning_rate=10.0, steps=50, patience=0)
    trainer = FineTuner.from_config(config)
    trainer.train(verbose=False)
    assert (trainer.step, trainer.stopped_early) == (50, False)
    assert trainer.best_step < 20


def test_a_text_that_teaches_nothing_leaves_the_start() -> None:
    config = settings(out="run", learning_rate=10.0, steps=10, warmup_steps=0)
    trainer = FineTuner.from_config(config)
    trainer.train(verbose=False)
    assert trainer.best_step == 0
    assert same(weights("run"), weights("model"))


@pytest.mark.parametrize("preset", ["finetune", "lora"])
def test_dropout_is_the_models_own_unless_it_is_given(preset: str) -> None:
    given = replace(settings(preset).model, resid_pdrop=0.0, attn_pdrop=0.2)
    for model, expected in ((settings(preset).model, (0.1, 0.1)), (given, (0.0, 0.2))):
        trainer = FineTuner.from_config(settings(preset, out=f"run {expected}", model=model))
        attention: Any = trainer.model.blocks[0].attention
        assert (attention.dropout.p, attention.attn_pdrop) == expected
        assert (trainer.model.config.resid_pdrop, trainer.config.model.attn_pdrop) == expected


def test_a_model_with_more_rows_than_its_tokenizer_has_tokens_keeps_them() -> None:
    model = GPT2.from_pretrained("model")
    padded = GPT2(replace(model.config, vocab_size=model.config.vocab_size + 20))
    padded.tokenizer = model.tokenizer
    padded.save_pretrained("padded")
    config = settings(start="padded", out="run", steps=5)
    FineTuner.from_config(config).train(verbose=False)
    assert FineTuner.from_config(config, resume=True).model.config == padded.config
    assert GPT2.from_pretrained("run").config == padded.config


def test_it_trains_in_python_without_a_folder() -> None:
    model = GPT2.from_pretrained("model")
    ids = model.require_tokenizer().encode(TEXT)
    data = TokenStream([np.array(ids, np.uint16)], model.config.vocab_size)
    trainer = FineTuner(model, data, data, replace(TrainConfig.for_preset("finetune"), steps=3, context=32))
    history = trainer.train(verbose=False)
    assert trainer.config.model == model.config
    assert history[-1]["step"] == 3


# ---- settings that suit the text -------------------------------------------------------------------------------


def stream(n_tokens: int) -> TokenStream:
    return TokenStream([np.arange(n_tokens, dtype=np.uint16) % 250], 300)


@pytest.mark.parametrize(
    ("train", "val", "context", "steps"),
    [
        (10_000, 1_000, 48, math.ceil(EPOCHS * 10_000 / (4 * 48))),  # the model has 48 positions
        (300, 31, 30, MIN_STEPS),  # the held-out part is shorter than that
        (100, MIN_CONTEXT + 1, MIN_CONTEXT, MIN_STEPS),
    ],
)
def test_context_and_steps_fit_the_text(train: int, val: int, context: int, steps: int) -> None:
    model = GPT2.from_pretrained("model")
    trainer = FineTuner(model, stream(train), stream(val), TrainConfig.for_preset("finetune", "model"))
    assert (trainer.config.context, trainer.config.steps) == (context, steps)


def test_a_text_too_short_for_a_sequence_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("Too short.\nIndeed.\n", "x"):
        Path("text.txt").write_text(text)
        message = usage(capsys, "train", "--from", "model", "--data", "text.txt", "--out", "run")
        assert f"tokens, but a sequence takes {MIN_CONTEXT + 1} (context={MIN_CONTEXT}, plus one to predict)" in message
        shutil.rmtree("run", ignore_errors=True)


def test_samples_begin_with_the_first_words_held_out_unless_told_otherwise() -> None:
    trainer = FineTuner.from_config(settings(out="run"))
    held_out = trainer.model.require_tokenizer().decode(trainer.val_data.windows([0], 60)[0].tolist())
    assert len(trainer.config.sample_prompt.split()) == 6 or held_out.startswith("The mole")
    assert trainer.config.sample_prompt in held_out
    assert FineTuner.from_config(settings(out="own", sample_prompt="An owl")).config.sample_prompt == "An owl"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n\nANNA:\nI have never seen such a thing before.\n", "I have never seen such a"),
        ("one two\nthree\n", "one two"),
        ("\n \n", ""),
    ],
)
def test_a_prompt_is_taken_from_the_first_line_of_several_words(text: str, words: str) -> None:
    tokenizer = Tokenizer.train(TEXT, 300)
    ids = [*tokenizer.encode(text), tokenizer.end_of_text]
    assert first_words(tokenizer, TokenStream([np.array(ids, np.uint16)], 300)) == words


def test_the_preset_is_chosen_by_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--data", "text.txt", "--steps", "1", "--sample-tokens", "0"]
    for options, name in (([], "finetune"), (["--lora", "2"], "lora"), (["--preset", "lora"], "lora")):
        shutil.rmtree("runs", ignore_errors=True)
        assert main(["train", "--from", "model", *few, *options]) == 0
        (folder,) = Path("runs").iterdir()
        assert folder.name == f"{name}-text"
        config = TrainConfig.load(folder)
        preset = TrainConfig.for_preset(name)
        assert (config.preset, config.optimizer, config.start) == (name, "adamw", "model")
        assert config.learning_rate == preset.learning_rate
        assert config.lora == (2 if options == ["--lora", "2"] else preset.lora)


# ---- adapters --------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_adapters_is_small_and_the_folder_has_an_ordinary_model() -> None:
    sizes = {}
    for preset in ("finetune", "lora"):
        trainer = FineTuner.from_config(settings(preset, out=preset, steps=3))
        trainer.train(verbose=False)
        sizes[preset] = (Path(preset) / STATE).stat().st_size
        state = torch.load(Path(preset) / STATE, weights_only=True)
        trained = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
        assert state["model"].keys() == trained
        assert sum(tensor.numel() for tensor in state["model"].values()) == trainer.trained_parameters
    assert weights("finetune").keys() == weights("lora").keys()
    assert sizes["lora"] < 0.5 * sizes["finetune"]
    assert same(weights("lora/start"), weights("model"))
    assert not Path("finetune/start").exists()


def test_adapters_and_their_start_are_drawn_from_the_seed() -> None:
    downs = []
    for seed in (0, 0, 1):
        trainer = FineTuner.from_config(settings("lora", out=f"run {len(downs)}", seed=seed))
        downs.append(trainer.model.state_dict()["blocks.0.mlp.expand.down"])
    assert torch.equal(downs[0], downs[1])
    assert not torch.equal(downs[0], downs[2])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_other_optimizers_and_precisions_work(optimizer: str, precision: str) -> None:
    for preset in ("finetune", "lora"):
        config = settings(preset, out=f"{preset}", optimizer=optimizer, precision=precision, steps=20)
        trainer = FineTuner.from_config(config)
        assert trainer.precision == precision
        trainer.train(verbose=False)
        assert trainer.best_loss < read_history(Path(preset))[0]["val_loss"]
        assert {w.dtype for w in weights(preset).values()} == {torch.float32}


# ---- it survives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["finetune", "lora"])
@pytest.mark.parametrize("moment", [3, 12, 20, 33])
def test_a_run_that_was_killed_and_resumed_without_its_start_ends_with_the_same_bytes(
    preset: str, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(preset, out="undisturbed")
    FineTuner.from_config(config).train(verbose=False)
    killed = replace(config, out="killed")
    trainer = FineTuner.from_config(killed)
    step = trainer.train_step

    def die() -> torch.Tensor:
        if trainer.step == moment:
            raise SystemExit
        return step()

    monkeypatch.setattr(trainer, "train_step", die)
    with pytest.raises(SystemExit):
        trainer.train(verbose=False)
    shutil.rmtree("model")
    resumed = FineTuner.from_config(TrainConfig.load(Path("killed")), resume=True)
    assert 0 < resumed.step <= moment
    resumed.train(verbose=False)
    assert resumed.step == 40
    assert same(weights("killed"), weights("undisturbed"))
    assert without_time("killed") == without_time("undisturbed")
    states = [torch.load(Path(name) / STATE, weights_only=True) for name in ("killed", "undisturbed")]
    assert same(states[0]["model"], states[1]["model"])
    assert states[0]["best_step"] == states[1]["best_step"]


def test_a_run_killed_between_checkpoint_and_model_writes_the_best_model_on_resume() -> None:
    config = settings("lora", out="run", steps=10)
    trainer = FineTuner.from_config(config)
    trainer.train(verbose=False)
    best = weights("run")
    assert trainer.best_step == 10
    Path("run/model.safetensors").unlink()
    FineTuner.from_config(config, resume=True)
    assert same(weights("run"), best)


def test_a_resumed_run_keeps_the_best_model_of_an_earlier_step() -> None:
    config = settings(out="run", learning_rate=0.05, steps=300, patience=2, final_lr_fraction=1.0)
    first = FineTuner.from_config(config)
    first.train(verbose=False)
    best = weights("run")
    again = FineTuner.from_config(config, resume=True)
    assert again.is_finished
    assert (again.best_step, again.best_loss) == (first.best_step, first.best_loss)
    assert same(weights("run"), best)
    more = FineTuner.from_config(replace(config, patience=4), resume=True)
    assert not more.is_finished
    more.train(verbose=False)
    assert more.step > first.step


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("preset", ["finetune", "lora"])
def test_a_killed_process_resumes_to_the_same_weights(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    undisturbed = settings(preset, out="undisturbed", steps=300, patience=0)
    subprocess.run(command(undisturbed), check=True, capture_output=True)
    config = replace(undisturbed, out="killed")
    kills = 0
    for entries in (20, 45, 70, None):
        resume = ["--resume"] if Path("killed/train_config.json").exists() else []
        process = subprocess.Popen(
            command(config, *resume), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if entries is not None:
            while process.poll() is None and len(read_history(Path("killed"))) < entries:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=patience(600))
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), output
        if kills == 1 and Path("model").exists():
            Path("model").rename("gone")
    assert kills >= 2
    assert same(weights("killed"), weights("undisturbed"))
    assert without_time("killed") == without_time("undisturbed")


def test_the_folder_is_reserved(hold: Any) -> None:
    process = hold(Path("run"))
    with pytest.raises(BlockingIOError, match=f"run is in use by process {process.pid}"):
        FineTuner.from_config(settings(out="run"))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["finetune", "lora"])
def test_two_processes_learn_the_same_as_one_with_twice_the_batch(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    no_dropout = ["--resid-pdrop", "0", "--attn-pdrop", "0", "--embd-pdrop", "0"]
    one, two = settings(preset, out="one"), settings(preset, out="two")
    subprocess.run(command(one, "--batch-size", "8", *no_dropout), check=True, capture_output=True)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *command(two, *no_dropout)[1:]], check=False, capture_output=True, text=True, timeout=patience(600)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Held-out loss after") == 1
    found = [[e["val_loss"] for e in read_history(Path(name)) if "val_loss" in e] for name in ("one", "two")]
    assert found[1] == pytest.approx(found[0], abs=1e-3)
    assert found[0][-1] < found[0][0] - 0.1
    # a resumed run of two processes needs no start either
    shutil.rmtree("model")
    done = subprocess.run(
        [*launcher, *command(two, "--resume", "--steps", "44")[1:]],
        check=False, capture_output=True, text=True, timeout=patience(600),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert torch.load(Path("two") / STATE, weights_only=True)["step"] == 44


@pytest.mark.slow
def test_two_processes_stop_early_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = settings(out="run", learning_rate=0.05, steps=300, patience=2)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *command(config, "--final-lr-fraction", "1")[1:]],
        check=False, capture_output=True, text=True, timeout=patience(600),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("The run stopped early, at step") == 1
    assert torch.load(Path("run") / STATE, weights_only=True)["step"] < 300


# ---- in a terminal ---------------------------------------------------------------------------------------------


def test_the_output_compares_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--steps", "20", "--report-every", "10", "--learning-rate", "0.01", "--sample-tokens", "6"]
    assert main(["train", "--from", "model", "--data", "text.txt", *few]) == 0
    output = capsys.readouterr().out
    trained = GPT2.from_pretrained("model").num_parameters()
    assert f"GPT-2 with {trained:,} parameters" in output
    assert "Training all of them: at most 20 steps of 192 tokens, in sequences of 48" in output
    reports = {e["step"]: e for e in read_history(Path("runs/finetune-text")) if "val_loss" in e}
    prompt = TrainConfig.load(Path("runs/finetune-text")).sample_prompt
    for when, step in (("before", 0), ("after", 20)):
        loss, sample = reports[step]["val_loss"], reports[step]["sample"]
        line = f"Held-out loss {when}: {loss:.3f} nats per token (perplexity {math.exp(loss):,.1f})\n{prompt}{sample}\n"
        assert line in output
    assert main(["train", "--from", "model", "--data", "text.txt", "--resume"]) == 0
    assert "This run has already done 20 of 20 steps: give a larger --steps." in capsys.readouterr().out
    assert main(["train", "--resume", "--out", "runs/finetune-text", "--steps", "22"]) == 0
    assert "Held-out loss before" in capsys.readouterr().out


def test_the_number_of_trained_parameters_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--from", "model", "--lora", "2", "--data", "text.txt", "--steps", "2"]) == 0
    count = SHAPE.n_layer * 2 * 16 * SHAPE.n_embd
    assert f"Training {count:,} of them, adapters of rank 2 beside frozen matrices" in capsys.readouterr().out


def test_a_run_that_stopped_early_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    wild = ["--steps", "200", "--report-every", "5", "--patience", "1", "--learning-rate", "1", "--sample-tokens", "0"]
    assert main(["train", "--from", "model", "--data", "text.txt", *wild]) == 0
    output = capsys.readouterr().out
    config = TrainConfig.load(Path("runs/finetune-text"))
    state = torch.load(Path("runs/finetune-text") / STATE, weights_only=True)
    assert (
        f"The run stopped early, at step {state['step']}. The loss on held-out text was lowest at step "
        f"{state['best_step']}, and the folder has the model of that step, not the last one." in output
    )
    assert config.steps == 200 > state["step"]
    assert main(["train", "--from", "model", "--data", "text.txt", "--resume"]) == 0
    said = f"This run stopped early, after {state['step']} of 200 steps, because its validation loss was lowest at step"
    assert said in capsys.readouterr().out


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local server with random weights in the layout of OpenAI's, in place of these."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    server = Hub(("127.0.0.1", 0), Handler)
    server.files = {path.name: path.read_bytes() for path in Path("model").iterdir()}
    server.served = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    use(monkeypatch, address(server))
    yield
    server.shutdown()
    server.server_close()


def test_a_model_comes_from_the_hub_and_is_not_needed_again(
    served: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--data", "text.txt", "--sample-tokens", "0"]
    for name, options in (("gpt2", []), ("gpt2", ["--lora", "2"])):
        assert main(["train", "--from", name, *few, "--steps", "2", *options]) == 0
    shutil.rmtree("cache")
    use(monkeypatch, "http://127.0.0.1:9")
    for folder in ("runs/finetune-text", "runs/lora-text"):
        assert main(["train", "--resume", "--out", folder, "--steps", "4"]) == 0
        assert TrainConfig.load(Path(folder)).start == "gpt2"
    message = usage(capsys, "train", "--from", "gpt2", *few, "--out", "new")
    assert "openai-community/gpt2 could not be downloaded from the Hugging Face hub" in message
    assert not Path("new").exists()


def test_help_downloads_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "download", lambda name: pytest.fail(f"{name} was downloaded"))
    with pytest.raises(SystemExit):
        main(["train", "--from", "gpt2", "--help"])
    assert "(default: 0.0001)" in " ".join(capsys.readouterr().out.replace("│", " ").split())


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_commands_in_the_readme_work(served: None, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("text.txt", "my_lyrics.txt")
    section = README.split("## Fine-tune GPT-2 on your own text")[1].split("\n## ")[0]
    commands = [shlex.split(line, comments=True) for line in section.split("```")[1].strip().splitlines()]
    assert len(commands) >= 4
    preset = TrainConfig.for_preset("finetune")
    assert ("three times" in section, EPOCHS) == (True, 3)
    assert f"sequences of up to {preset.context} tokens" in section
    assert f"when it has not fallen for {preset.patience * preset.report_every} steps" in section
    for command in commands:
        if command[:2] == ["python", "train.py"]:
            few = ["--steps", "4" if "--resume" in command else "2", "--sample-tokens", "4", "--report-sequences", "2"]
            assert main(["train", *command[2:], *few]) == 0
        else:
            assert command[0] == "gpt2-course"
            assert main(command[1:]) == 0
    assert "Held-out loss after" in capsys.readouterr().out


@pytest.mark.slow
def test_the_benchmark_runs_with_a_tiny_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert finetune.main(["--tiny"]) == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert len(rows) == 7
    assert all(float(row[1].split()[0].replace(",", "")) > 0 for row in rows)
    loss = rows[-1]
    assert loss[0].startswith("held-out loss")
    assert float(loss[3]) == pytest.approx(1, abs=0.01)  # the peer learns the same


# ---- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "nowhere"], "There is no model folder 'nowhere': give a folder that contains model.safetensors"),
        (
            ["--from", "model", "--preset", "story"],
            "--from has settings of its own, so it does not go with",
        ),
        (
            ["--from", "model", "--tokenizer", "gpt2"],
            "The tokenizer comes with model, so --from does not go",
        ),
        (["--from", "model", "--n-head", "4"], "model has n_head=2, and training keeps that shape"),
        (["--from", "model", "--n-positions", "64"], "n_positions cannot be 64: leave --n-positions out."),
        (["--from", "model", "--lora", "33"], "The rank of an adapter must be from 1 to 32"),
        (["--lora", "8"], "--lora trains a finished model further: say which, for example with --from gpt2."),
        (["--preset", "finetune"], "--preset finetune trains a finished model further: say which"),
        (["--from", "model", "--reward", "judge", "--lora", "2", "--data", "tiny-world"], "does not go with --lora"),
        (["--from", "model", "--data", "shards"], "were made with a different tokenizer from that of model"),
        (["--from", "model", "--data", "nosuch.txt"], "There is no text 'nosuch.txt'"),
        (["--from", "int8"], "as torch.int8: convert it to floating point."),
        (["--from", "damaged"], "is not a complete safetensors file"),
        (["--from", "silent"], "This model has no tokenizer"),
    ],
)
def test_a_mistake_prints_one_sentence_and_leaves_nothing(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("int8", "damaged", "silent"):
        shutil.copytree("model", name)
    stored = load_file("model/model.safetensors")
    first = next(iter(stored))
    save_file({**stored, first: stored[first].to(torch.int8)}, "int8/model.safetensors", metadata={"format": "pt"})
    Path("damaged/model.safetensors").write_bytes(Path("model/model.safetensors").read_bytes()[:5000])
    for path in [*Path("silent").glob("*")]:
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    write_shards(find_corpus("text.txt"), Tokenizer.train(TEXT, 290), Path("shards"))
    data = [] if "--data" in options else ["--data", "text.txt"]
    assert message in usage(capsys, "train", *data, "--out", "run", *options)
    assert not Path("run/train_config.json").exists()
    assert not Path("run/model.safetensors").exists()


def test_a_context_longer_than_the_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--from", "model", "--data", "text.txt", "--context", "49"])
    message = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "context=49 is longer than the model's n_positions=48" in message


def test_a_run_is_not_resumed_with_another_start_or_rank(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("model", "other")
    few = ["--data", "text.txt", "--steps", "2", "--sample-tokens", "0"]
    assert main(["train", "--from", "model", *few]) == 0
    again = ["train", *few, "--out", "runs/finetune-text", "--resume"]
    said = "was started with from='model' and cannot be resumed with 'other': leave from as it was"
    assert said in usage(capsys, *again, "--from", "other")
    assert "was started with lora=0 and cannot be resumed with 4" in usage(capsys, *again, "--lora", "4")
    assert "was started with n_head=2 and cannot be resumed with 4" in usage(capsys, *again, "--n-head", "4")


def test_a_damaged_checkpoint_is_refused() -> None:
    config = settings("lora", out="run", steps=2)
    FineTuner.from_config(config).train(verbose=False)
    state = torch.load(Path("run") / STATE, weights_only=True)
    del state["model"]["blocks.0.mlp.expand.up"]
    torch.save(state, Path("run") / STATE)
    with pytest.raises(ValueError, match=r"training_state\.pt is not a checkpoint of this run"):
        FineTuner.from_config(config, resume=True)


def test_a_run_whose_history_was_removed_still_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--data", "text.txt", "--sample-tokens", "0", "--report-every", "2"]
    assert main(["train", "--from", "model", *few, "--steps", "2"]) == 0
    Path("runs/finetune-text/history.jsonl").unlink()
    capsys.readouterr()
    assert main(["train", "--resume", "--out", "runs/finetune-text", "--steps", "4"]) == 0
    output = capsys.readouterr().out
    assert "Held-out loss after" in output
    assert "Held-out loss before" not in output


def test_a_run_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["train", "--from", "model", "--data", "text.txt", "--steps", "2", "--sample-tokens", "0"]
    assert main(few) == 0
    assert "already contains a run or a model: continue it with --resume" in usage(capsys, *few)


def test_the_ordinary_trainer_refuses_a_start() -> None:
    with pytest.raises(ValueError, match="to start from a model, use FineTuner"):
        Trainer.from_config(settings(out="run"))


def test_settings_are_saved_as_they_were_used() -> None:
    FineTuner.from_config(settings(out="run", steps=0, sample_prompt="", context=40)).train(verbose=False)
    stored = json.loads(Path("run/train_config.json").read_text())
    assert (stored["start"], stored["tokenizer"], stored["context"]) == ("model", "new", 40)
    assert stored["steps"] >= MIN_STEPS
    assert stored["sample_prompt"]
