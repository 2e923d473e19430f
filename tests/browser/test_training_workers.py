"""Training in a page: workers that share the work, and what they give back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from book.look import serving
from gpt2_course.labs.lab import STATIC

CONFIG = {
    **{"vocab_size": 53, "n_positions": 24, "n_embd": 20, "n_layer": 2, "n_head": 2, "layer_norm_epsilon": 1e-5},
    **{"initializer_range": 0.05, "copying_start": True},
}
SETTINGS = {
    **{"optimizer": "muon", "learning_rate": 0.01, "muon_learning_rate": 0.01, "weight_decay": 0.1, "warmup_steps": 2},
    **{"steps": 100, "final_lr_fraction": 0.0, "clip": 1.0, "context": 24, "separator": 0},
}
SETUP = """
async ([config, settings]) => {
  const { Trainer } = await import("/trainer.mjs");
  const { uniform } = await import("/sampling.mjs");
  // Rows that a model can learn: each token is followed by the next higher one, most of the time
  window.rowsOf = (seed, count = 5) => Array.from({ length: count }, (_, b) => {
    const ids = [0];
    while (ids.length < 25) {
      const u = uniform(seed, 100 * b + ids.length);
      ids.push(u < 0.1 ? Math.floor(u * 530) : (ids.at(-1) + 1) % 53);
    }
    return { tokens: Int32Array.from(ids.slice(0, 24)), targets: Int32Array.from(ids.slice(1)) };
  });
  window.start = (workers, start = { seed: 7 }, changed = {}) =>
    Trainer.create({ config, settings: { ...settings, ...changed }, start, workers });
  window.train = async (trainer, from, to) => {
    const losses = [];
    for (let step = from; step < to; step++) losses.push((await trainer.step(rowsOf(step))).loss);
    return losses;
  };
  window.plainly = (tensors) =>
    Object.fromEntries([...tensors].map(([name, { shape, values }]) => [name, [shape, [...values]]]));
}
"""


@pytest.fixture(scope="module")
def training(browser: Browser) -> Iterator[Page]:
    with serving(STATIC) as address:
        page = browser.new_page()
        page.goto(f"{address}/labs.css")
        page.evaluate(SETUP, [CONFIG, SETTINGS])
        yield page
        page.close()


TRAIN = """
async (workers) => {
  const trainer = await start(workers);
  const losses = await train(trainer, 0, 12);
  const { loss } = await trainer.evaluate(rowsOf(99));
  const weights = plainly(await trainer.weights());
  trainer.stop();
  return { losses, loss, weights };
}
"""


def numbers(weights: dict[str, Any]) -> list[float]:
    return [number for _, values in weights.values() for number in values]


def test_any_number_of_workers_gives_the_same_but_for_rounding(training: Page) -> None:
    one, two, three, seven = (training.evaluate(TRAIN, n) for n in (1, 2, 3, 7))  # seven: more than rows
    assert one["losses"][0] == pytest.approx(3.97, abs=0.1)  # ln(53)
    assert one["losses"][-1] < 3.5
    for other in (two, three, seven):
        assert other["losses"] == pytest.approx(one["losses"], rel=1e-4)
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert numbers(other["weights"]) == pytest.approx(numbers(one["weights"]), abs=2e-3)


def test_the_same_number_of_workers_gives_the_same_bits(training: Page) -> None:
    first, second = (training.evaluate(TRAIN, 3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("before", "after"), [(2, 2), (3, 1), (1, 3)])
def test_training_goes_on_after_a_reload_as_if_it_had_not_stopped(training: Page, before: int, after: int) -> None:
    without, with_it = training.evaluate(
        """async ([before, after]) => {
          const whole = await start(before);
          const losses = await train(whole, 0, 10);
          const first = await start(before);
          const more = await train(first, 0, 6);
          const database = await new Promise((resolve) => {
            const opening = indexedDB.open("training", 1);
            opening.onupgradeneeded = () => opening.result.createObjectStore("states");
            opening.onsuccess = () => resolve(opening.result);
          });
          const states = () => database.transaction("states", "readwrite").objectStore("states");
          const state = await first.state();
          const saving = states().put(state, "last");
          await new Promise((resolve) => (saving.onsuccess = resolve));
          first.stop();
          const loading = states().get("last");
          await new Promise((resolve) => (loading.onsuccess = resolve));
          database.close();
          const second = await start(after, { state: loading.result });
          more.push(...(await train(second, second.steps, 10)));
          const ends = await Promise.all([whole, second].map(async (one) => plainly(await one.weights())));
          whole.stop();
          second.stop();
          return [[losses, ends[0]], [more, ends[1]]];
        }""",
        [before, after],
    )
    if before == after:
        assert with_it == without
    else:
        assert with_it[0] == pytest.approx(without[0], rel=1e-4)


def test_the_losses_of_tokens_are_those_of_the_page_s_model(training: Page) -> None:
    losses, mean, wanted = training.evaluate(
        """async ([config]) => {
          const { GPT2 } = await import("/engine.mjs");
          const trainer = await start(2);
          await train(trainer, 0, 3);
          const rows = rowsOf(5, 3).map(({ tokens, targets }, i) => {
            const length = 24 - 5 * i;
            return { tokens: tokens.slice(0, length), targets: targets.slice(0, length).fill(-100, length - i) };
          });
          const { loss, losses } = await trainer.evaluate(rows);
          const model = new GPT2(config, await trainer.weights());
          trainer.stop();
          const wanted = rows.map(({ tokens, targets }) => {
            let start = 0; // each document by itself
            return [...targets].map((target, t) => {
              if (tokens[t] === 0) start = t;
              if (target < 0) return 0;
              const logits = model.forward([...tokens.subarray(start, t + 1)]);
              return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[target];
            });
          });
          return [losses.map((row) => [...row]), loss, wanted];
        }""",
        [CONFIG],
    )
    assert [len(row) for row in losses] == [24, 19, 14]
    for row, wanted_row in zip(losses, wanted, strict=True):
        assert row == pytest.approx(wanted_row, abs=1e-4)
    flat = [loss for row in losses for loss in row]
    assert mean == pytest.approx(sum(flat) / (24 + 18 + 12), rel=1e-5)


def test_the_rate_may_change_between_steps(training: Page) -> None:
    kept, changed = training.evaluate(
        """async () => {
          const answers = [];
          for (const rate of [0.01, 0]) {
            const trainer = await start(2);
            await train(trainer, 0, 3);
            trainer.settings.learning_rate = trainer.settings.muon_learning_rate = rate;
            await train(trainer, 3, 4);
            const before = JSON.stringify(plainly(await trainer.weights()));
            await train(trainer, 4, 5);
            answers.push(before === JSON.stringify(plainly(await trainer.weights())));
            trainer.stop();
          }
          return answers;
        }"""
    )
    assert (kept, changed) == (False, True)


def test_a_loss_without_bounds_is_said_and_leaves_the_parameters(training: Page) -> None:
    said, finite, losses = training.evaluate(
        """async () => {
          const trainer = await start(2);
          await train(trainer, 0, 2);
          trainer.settings.learning_rate = trainer.settings.muon_learning_rate = 1e20;
          let said = "";
          for (let step = 2; !said && step < 6; step++) {
            await trainer.step(rowsOf(step)).catch((error) => (said = error.message));
          }
          const finite = [...(await trainer.weights()).values()].every(({ values }) => values.every(Number.isFinite));
          trainer.stop();
          const fresh = await start(2);
          const weights = await fresh.weights();
          fresh.stop();
          weights.get("wte.weight").values[3 * 20] = Infinity;
          const broken = await start(2, { tensors: weights });
          const errors = [];
          for (const step of [0, 1]) await broken.step(rowsOf(step)).catch((error) => errors.push(error.message));
          broken.stop();
          return [said, finite, errors];
        }"""
    )
    assert finite
    assert said.startswith("The loss became infinite or NaN at step ")
    assert said.endswith("Continue with a lower learning rate.")
    assert len(losses) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([[0] * 25, [0] * 25], "A row needs 1 to 24 tokens and as many targets, but has 25 and 25."),
        ([[0, 1], [1]], "A row needs 1 to 24 tokens and as many targets, but has 2 and 1."),
        ([[], []], "A row needs 1 to 24 tokens and as many targets, but has 0 and 0."),
        ([[0, 53], [1, 2]], "Ids must be 0 to 52, but a row contains 53."),
        ([[-1, 3], [1, 2]], "Ids must be 0 to 52, but a row contains -1."),
        ([[0, 3], [1, 99]], "Ids must be 0 to 52, but a row contains 99."),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_training_goes_on(training: Page, row: Any, message: str) -> None:
    said, losses = training.evaluate(
        """async ([tokens, targets]) => {
          const trainer = await start(2);
          const row = { tokens: Int32Array.from(tokens), targets: Int32Array.from(targets) };
          const said = await trainer.step([...rowsOf(0), row]).catch((error) => error.message);
          const losses = await train(trainer, 0, 1);
          trainer.stop();
          return [said, losses];
        }""",
        row,
    )
    assert said == message
    assert losses[0] == pytest.approx(3.97, abs=0.1)


def test_what_does_not_fit_together_is_refused(training: Page) -> None:
    for script, message in (
        ("start(2, { seed: 1 }, { context: 25 })", "Rows of 25 tokens do not fit into this model's 24 positions."),
        ("start(2, { tensors: new Map() })", "wte.weight should have shape (53, 20), but is missing."),
        (
            "start(1).then(async (one) => start(1, { state: await one.state() }, { optimizer: 'adamw' }))",
            "The state of the optimizer does not fit h.0.",
        ),
    ):
        with pytest.raises(Error) as refused:
            training.evaluate(f"async () => {{ await {script}; }}")
        assert message in str(refused.value)
