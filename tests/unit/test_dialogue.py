"""Dialogues: how they become text, ids, and targets, and that nothing typed can fake a message."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2TokenizerFast

from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer
from gpt2_course.data import TokenStream, find_corpus, read_shards, write_shards
from gpt2_course.devices import CompiledLoss
from gpt2_course.dialogue import MARKS, TEMPLATE, Dialogue, Message, shown
from gpt2_course.evaluation import evaluate
from gpt2_course.loss import IGNORED, linear_cross_entropy, losses_and_gradient, token_losses
from gpt2_course.training.run_folder import documents_found

PARTS = [
    *MARKS.values(), "User", ":", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029",
    " ", "  ", "\t", "\xa0", "\u3000", "\u200b", "\0", "<|endoftext|>", "<|", "<", "|", "|>", "a", "it's", "7", "é",
]  # fmt: skip
nasty = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8).map("".join)


@st.composite
def dialogues(draw: st.DrawFn, least: int = 1) -> Dialogue:
    system = [Message("system", draw(nasty))] if draw(st.booleans()) else []
    turns = [Message(("user", "assistant")[i % 2], draw(nasty)) for i in range(draw(st.integers(least, 6)))]
    return Dialogue((*system, *turns))


@pytest.fixture(scope="module")
def gpt2() -> Tokenizer:
    return Tokenizer.gpt2().with_chat_template(TEMPLATE)


@pytest.fixture(scope="module")
def theirs(gpt2: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> GPT2TokenizerFast:
    """Our tokenizer, as transformers loads it from its folder."""
    folder = tmp_path_factory.mktemp("tokenizer")
    gpt2.save(folder)
    return GPT2TokenizerFast.from_pretrained(folder)


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    """A tokenizer that has learned to merge the template's own characters, wherever it may."""
    text = "User: it's \n\n  a\nAssistant:  a \n  User: é\n<| < |endoftext|>\nSystem: 7\r\n" * 40
    return Tokenizer.train(text, 330)


# ---- from messages to ids ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(dialogue=dialogues())
def test_transformers_writes_the_same_text_and_ids(
    dialogue: Dialogue, gpt2: Tokenizer, theirs: GPT2TokenizerFast
) -> None:
    messages = dialogue.to_row()["messages"]
    whole: Any = theirs.apply_chat_template(messages, tokenize=False)
    assert whole == dialogue.render() + "<|endoftext|>"
    assert theirs.apply_chat_template(messages, return_dict=False) == dialogue.encode(gpt2).ids
    prompt = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt == dialogue.prompt()
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == gpt2.encode(dialogue.prompt())


@pytest.mark.parametrize(
    "roles", ["tool", "User", "system system", "user user", "assistant", "user system", "system assistant"]
)
def test_transformers_refuses_the_same_roles(roles: str, theirs: GPT2TokenizerFast) -> None:
    messages = [Message(role, "x") for role in roles.split()]
    with pytest.raises(ValueError, match=r"^message \d "):
        Dialogue(tuple(messages))
    with pytest.raises(Exception, match="The roles must be an optional system, then user and assistant in turn"):
        theirs.apply_chat_template([message._asdict() for message in messages], tokenize=False)


@settings(deadline=None, max_examples=150)
@given(dialogue=dialogues())
def test_the_ids_of_the_parts_are_those_of_the_whole_text(
    dialogue: Dialogue, gpt2: Tokenizer, small: Tokenizer
) -> None:
    for tokenizer in (gpt2, small):
        ids = dialogue.encode(tokenizer).ids
        assert ids == [*tokenizer.encode(dialogue.render()), tokenizer.end_of_text]
        prompt = tokenizer.encode(dialogue.prompt())
        mark = tokenizer.encode("Assistant:")
        assert prompt == [*ids[:-1], *mark]  # to answer, a model reads what it was trained on


@settings(deadline=None, max_examples=150)
@given(dialogue=dialogues())
def test_no_content_can_begin_a_message_or_end_the_dialogue(
    dialogue: Dialogue, gpt2: Tokenizer, small: Tokenizer
) -> None:
    text = dialogue.render()
    roles = [message.role for message in dialogue.messages]
    marks = [line.split(":")[0].lower() for line in text.splitlines() if line.startswith(tuple(MARKS.values()))]
    assert marks == roles
    assert all(line.startswith("  ") for line in text.splitlines() if not line.startswith(tuple(MARKS.values())))
    assert "<|" not in text
    for tokenizer in (gpt2, small):
        ids = dialogue.encode(tokenizer).ids
        assert ids.index(tokenizer.end_of_text) == len(ids) - 1
        for mark in MARKS.values():  # no other ids could spell the mark: a line break before a letter is its own piece
            spelled = tokenizer.encode(f"\n{mark}")
            found = [i for i in range(len(ids)) if ids[i : i + len(spelled)] == spelled]
            assert len(found) == roles[1:].count(mark[:-1].lower())


@settings(deadline=None)
@given(content=nasty)
def test_an_answer_is_shown_as_it_was_meant_however_it_arrives(content: str) -> None:
    content = content.replace("<|", "")
    written = Dialogue((Message("user", "?"), Message("assistant", content))).render().split("Assistant:", 1)[1]
    lines = "\n".join(content.strip().splitlines())
    assert shown(written) == lines
    steps = [shown(written[:n] + extra) for n in range(len(written)) for extra in ("", "\nUs", "\n", "\nAssistant:")]
    assert all(lines.startswith(step) for step in steps)


def slow_mask(dialogue: Dialogue, tokenizer: Tokenizer) -> list[bool]:
    """Whether each token is graded, the obvious way: mark the bytes that count, then look where each token begins."""
    counted: list[bool] = []
    text = dialogue.render()
    marks = list(re.finditer("^(System|User|Assistant):", text, re.MULTILINE))
    author = ""
    for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(text)], strict=True):
        if counted:  # the line break before the mark belongs to what ends the message before
            counted[-1] = author == "Assistant"
        counted += [author == "Assistant"] * len(mark.group())
        author = mark[1]
        counted += [author == "Assistant"] * len(text[mark.end() : end].encode())
    mask, position = [], 0
    for token in tokenizer.encode(text):
        mask.append(counted[position])
        position += len(tokenizer.decode_bytes([token]))
    assert position == len(counted)
    return [*mask, author == "Assistant"]


@settings(deadline=None, max_examples=150)
@given(dialogue=dialogues())
def test_answers_and_what_ends_them_are_graded(dialogue: Dialogue, gpt2: Tokenizer, small: Tokenizer) -> None:
    for tokenizer in (gpt2, small):
        assert dialogue.encode(tokenizer).graded == slow_mask(dialogue, tokenizer)


def test_the_tokens_that_are_graded_by_example(gpt2: Tokenizer) -> None:
    messages = [
        ("system", "Be brief."),
        ("user", "Hi!"),
        ("assistant", "Hello."),
        ("user", "Bye!"),
        ("assistant", "Bye."),
    ]
    ids, graded = Dialogue(tuple(Message(*message) for message in messages)).encode(gpt2)
    tokens = [gpt2.decode([i]) for i, is_graded in zip(ids, graded, strict=True) if is_graded]
    assert tokens == [" Hello", ".", "\n", "User", ":", " Bye", ".", "\n", "<|endoftext|>"]


@settings(deadline=None, max_examples=150)
@given(dialogue=dialogues(2), context=st.integers(2, 60))
def test_a_long_dialogue_is_cut_at_questions(dialogue: Dialogue, context: int, gpt2: Tokenizer) -> None:
    whole = dialogue.encode(gpt2)
    pieces, n_shortened = dialogue.encode_pieces(gpt2, context)
    assert all(len(ids) <= context for ids, _ in pieces)
    assert all(any(graded) for _, graded in pieces)
    assert all(ids[-1] == gpt2.end_of_text for ids, _ in pieces)
    if len(whole.ids) <= context:
        assert (pieces, n_shortened) == ([whole], 0)
    if n_shortened:
        return
    system = [m for m in dialogue.messages if m.role == "system"]
    beginning = gpt2.encode(Dialogue((*system, Message("user", ""))).render())[:-1]
    texts = []
    for number, (ids, graded) in enumerate(pieces, start=1):
        assert ids[: len(beginning)] == beginning
        assert graded[-1] == (number == len(pieces) and dialogue.messages[-1].role == "assistant")
        texts.append(gpt2.decode(ids[:-1]).removeprefix(Dialogue(tuple(system)).render()))
    rest = Dialogue(dialogue.messages[len(system) :]).render()
    assert rest.startswith("".join(texts))
    # only a question without an answer is left out
    assert "Assistant:" not in re.findall("^(?:User|Assistant):", rest.removeprefix("".join(texts)), re.MULTILINE)


def test_a_question_that_is_too_long_loses_its_end(gpt2: Tokenizer) -> None:
    long, short = Message("assistant", "ha " * 30), Message("user", "Hi!")
    dialogue = Dialogue((short, long, short, Message("assistant", "Hello.")))
    pieces, n_shortened = dialogue.encode_pieces(gpt2, 16)
    assert n_shortened == 1
    assert [gpt2.decode(ids) for ids, _ in pieces] == [
        "User: Hi!\nAssistant:" + " ha" * 8 + "<|endoftext|>",
        "User: Hi!\nAssistant: Hello.\n<|endoftext|>",
    ]
    assert pieces[0].graded == [False] * 7 + [True] * 8 + [False]  # an answer that was cut has not ended
    without_answer = Dialogue((Message("user", "ha " * 30), Message("assistant", "Hello.")))
    assert without_answer.encode_pieces(gpt2, 16) == ([], 1)


# ---- rows --------------------------------------------------------------------------------------------------------

GOOD = {"messages": [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]}


def row(*messages: tuple[object, object]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"text": "x"}, "it has neither messages nor a prompt and a completion"),
        ({"messages": []}, "its messages must be a list of at least one, but are []"),
        ({"messages": None}, "its messages must be a list of at least one, but are None"),
        ({"messages": "Hi!"}, "its messages must be a list of at least one, but are 'Hi!'"),
        ({"messages": ["Hi!"]}, "message 1 must have a role and a content, but is 'Hi!'"),
        ({"messages": [{"role": "user"}]}, "message 1 must have a role and a content, but is {'role': 'user'}"),
        (row(("user", "Hi!"), ("tool", "x")), "message 2 has the role 'tool', not system, user, or assistant"),
        (row(("user", "Hi!"), (7, "x")), "message 2 has the role 7, not system, user, or assistant"),
        (row(("user", "Hi!"), ([], "x")), "message 2 has the role [], not system, user, or assistant"),
        (row(("user", "Hi!"), ("assistant", None)), "the content of message 2 must be text, but is None"),
        (
            row(("user", "Hi!"), ("assistant", [{"text": "x"}])),
            "the content of message 2 must be text, but is [{'text': 'x'}]",
        ),
        (row(("user", " \n"), ("assistant", "x")), "message 1 is empty"),
        (row(("user", "a\ud800"), ("assistant", "x")), "message 1 has a lone surrogate (half a character)"),
        (row(("user", "Hi!")), "it has no message from the assistant"),
        (row(("user", "Hi!"), ("user", "Hi!")), "message 2 is from the user, but follows one from the user"),
        (row(("assistant", "Hi!")), "message 1 is from the assistant, but is the first"),
        (row(("user", "a"), ("system", "b")), "message 2 is from the system, but follows one from the user"),
        (row(("system", "a"), ("assistant", "b")), "message 2 is from the assistant, but follows one from the system"),
        ({"prompt": "a", "completion": 5}, "the content of message 2 must be text, but is 5"),
        ({"prompt": "a"}, "it has neither messages nor a prompt and a completion"),
    ],
)
def test_a_bad_row_is_named_in_one_sentence(bad: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(map(json.dumps, [GOOD, {}, bad])).replace("{}", ""))
    with pytest.raises(ValueError, match=r"^Line 3 of .*chats\.jsonl is not a dialogue to learn from") as error:
        list(find_corpus(str(path), 1.0).val)
    assert f"({reason}): correct it or remove it." in str(error.value)


def test_the_keys_of_the_first_row_decide_what_a_file_is(tmp_path: Path) -> None:
    def found(name: str, first: dict[str, Any], column: str = "text") -> list[str]:
        (tmp_path / name).write_text(json.dumps(first) + "\n")
        corpus = find_corpus(str(tmp_path / name), 1.0, column)
        return ["".join(document.pieces()) for document in corpus.val]

    question = {"prompt": "Hi!", "completion": "Hello."}
    for first in (GOOD, question):
        assert found("a.jsonl", first) == ["User: Hi!\nAssistant: Hello.\n"]
        assert found("a.jsonl", {**first, "text": "x"}) == ["x"]
    assert found("a.jsonl", question, column="prompt") == ["Hi!"]
    with pytest.raises(ValueError, match="has no column 'text', only prompt: name the text column with --column"):
        found("a.jsonl", {"prompt": "Hi!"})


# ---- shards ------------------------------------------------------------------------------------------------------


def write_chats(path: Path, n: int = 40, **keys: object) -> list[Dialogue]:
    """Write dialogues of one to three questions."""
    rows = []
    for i in range(n):
        turns = [
            ("user", f"What is {i} plus {j}?") if j % 2 == 0 else ("assistant", f"{i + j - 1}, dear.")
            for j in range(2 + 2 * (i % 3))
        ]
        rows.append(row(*([("system", "You can add.")] if i % 2 else []), *turns))
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return [Dialogue.from_row(r) for r in rows]


@pytest.mark.parametrize("shard_tokens", [7, 10**6])
def test_shards_keep_what_is_graded(tmp_path: Path, shard_tokens: int, gpt2: Tokenizer) -> None:
    chats = write_chats(tmp_path / "chats.jsonl")
    (tmp_path / "text.txt").write_text("Just a text.")
    folder = tmp_path / "shards"
    counts = write_shards(find_corpus(str(tmp_path)), Tokenizer.gpt2(), folder, shard_tokens)
    tokenizer, train, val = read_shards(folder)
    assert tokenizer.chat_template == TEMPLATE
    assert counts["documents"] == len(chats) + 1
    ids, graded = [], []
    for chat in chats:
        ids += chat.encode(gpt2).ids
        graded += slow_mask(chat, gpt2)
    plain = [*gpt2.encode("Just a text."), gpt2.end_of_text]
    ids, graded = ids + plain, graded + [True] * len(plain)
    read = [
        (stream.windows([0], len(stream))[0].tolist(), stream.graded(0, len(stream)).tolist())
        for stream in (train, val)
    ]
    assert read[0][0] + read[1][0] == ids
    assert read[0][1] + read[1][1] == graded
    examples = train.examples([0, 3, 50], 30)
    assert examples.shape == (3, 2, 30)
    for start, (tokens, targets) in zip([0, 3, 50], examples.tolist(), strict=True):
        assert tokens == ids[start : start + 30]
        expected = [i if g else IGNORED for i, g in zip(ids, graded, strict=True)]
        assert targets == expected[start + 1 : start + 31]
    # the same random numbers choose the same rows
    rows = [
        train.random_windows(4, 31, torch.Generator().manual_seed(0)),
        train.random_examples(4, 30, torch.Generator().manual_seed(0)),
    ]
    assert torch.equal(rows[0][:, :-1], rows[1][:, 0])


def test_what_was_found_and_cut_is_said(tmp_path: Path, small: Tokenizer) -> None:
    def said(*lengths: int) -> str:
        rows = [{"prompt": "Hi!", "completion": "it's " * n} for n in lengths]
        (tmp_path / "chats.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        corpus = find_corpus(str(tmp_path / "chats.jsonl"))
        return documents_found(write_shards(corpus, small, tmp_path / "shards", context=40), 40)

    assert said(1) == "Found 1 document."
    assert said(1, 99, 2) == "Found 3 documents. Cut 1 question with its answer to 40 tokens."
    assert said(99, 2, 99) == "Found 3 documents. Cut 2 questions with their answers to 40 tokens."
    _, train, val = read_shards(tmp_path / "shards")
    assert train.fits(40)
    assert val.fits(40)


def test_writing_again_leaves_no_old_masks_and_damage_is_named(tmp_path: Path, gpt2: Tokenizer) -> None:
    write_chats(tmp_path / "chats.jsonl")
    (tmp_path / "text.txt").write_text("Just a text. " * 50)
    write_shards(find_corpus(str(tmp_path / "chats.jsonl")), gpt2, tmp_path / "shards")
    mask = tmp_path / "shards" / "train-00000.graded.npy"
    np.save(mask, np.ones(3, np.bool_))
    with pytest.raises(ValueError, match=r"train-00000.graded.npy contains bool of shape \(3,\), but index.json says"):
        read_shards(tmp_path / "shards")
    mask.unlink()
    with pytest.raises(FileNotFoundError, match=r"train-00000\.graded\.npy is missing: write the shards again"):
        read_shards(tmp_path / "shards")
    write_shards(find_corpus(str(tmp_path / "text.txt")), Tokenizer.gpt2(), tmp_path / "shards")
    assert not list((tmp_path / "shards").glob("*graded*"))
    tokenizer, train, _ = read_shards(tmp_path / "shards")
    assert tokenizer.chat_template is None
    assert train.graded(0, len(train)).all()


# ---- the loss ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", [0.5, 0.0, 1.0])
def test_ignored_targets_change_neither_loss_nor_gradients(counted: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt2_course.loss.LOGITS_PER_CHUNK", 7 * 50)
    torch.manual_seed(0)
    hidden = torch.randn(40, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 16, dtype=torch.float64, requires_grad=True)
    targets = torch.where(torch.rand(40) < counted, torch.randint(50, (40,)), IGNORED)
    n = int((targets != IGNORED).sum())
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="sum") / max(1, n)
    (3 * expected).backward()
    gradients = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    loss = linear_cross_entropy(hidden, weight, targets)
    (3 * loss).backward()
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close((hidden.grad, weight.grad), gradients, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(linear_cross_entropy(hidden, weight, targets), loss)
        each = F.cross_entropy((hidden @ weight.T).float(), targets, reduction="none")
        torch.testing.assert_close(token_losses(hidden, weight, targets), each)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ids", [[3, IGNORED, 0, 49], [IGNORED] * 4, [1, 2, 3, 4]])
def test_a_gpu_ignores_them_within_its_chunks(ids: list[int], compiled: bool) -> None:
    """On a GPU, `pointwise` gets the ignored rows, too; and how many others there are as a tensor."""
    torch.manual_seed(0)
    logits = torch.randn(4, 50, requires_grad=True)
    targets = torch.tensor(ids)
    n = (targets != IGNORED).sum().clamp(min=1)
    (F.cross_entropy(logits, targets, reduction="sum") / n).backward()
    pointwise = torch.compile(losses_and_gradient) if compiled else losses_and_gradient
    padded = F.pad(logits.detach(), (0, 2), value=9.0)
    losses, gradient = pointwise(padded.clone(), targets, n, 50)
    torch.testing.assert_close(losses, F.cross_entropy(logits, targets, reduction="none"))
    torch.testing.assert_close(gradient[:, :50], logits.grad)
    assert not gradient[:, 50:].any()


@pytest.mark.slow
def test_the_compiled_loss_ignores_the_same_targets(small: Tokenizer) -> None:
    model = new_model(small)
    compiled = CompiledLoss(model)
    tokens = torch.randint(small.vocab_size, (2, 12))
    for n_graded in (24, 5, 0, 17):
        targets = tokens.flatten().masked_fill(torch.randperm(24) >= n_graded, IGNORED).view(2, 12)
        expected = model(tokens, targets)
        gradients = torch.autograd.grad(expected, list(model.parameters()))
        loss = compiled(tokens, targets)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(torch.autograd.grad(loss, list(model.parameters())), gradients)


@pytest.fixture
def chats(tmp_path: Path, small: Tokenizer) -> TokenStream:
    """Dialogues that fit into a context of 80 tokens."""
    write_chats(tmp_path / "chats.jsonl", 60)
    counts = write_shards(find_corpus(str(tmp_path / "chats.jsonl")), small, tmp_path / "shards", 500, context=80)
    assert not counts["shortened"]
    return read_shards(tmp_path / "shards")[1]


def new_model(tokenizer: Tokenizer) -> GPT2:
    torch.manual_seed(0)
    shape = GPT2Config(tokenizer.vocab_size, 96, 16, 2, 2, 0.0, 0.0, 0.0, initializer_range=0.3)
    return GPT2(shape, tokenizer)


def slow_loss(model: GPT2, stream: TokenStream, rows: Tensor) -> Tensor:
    """The mean −ln p of all graded tokens of rows of examples (B, 2, T), one document and one token at a time."""
    costs = []
    for tokens, targets in rows.tolist():
        begin = 0
        for position, target in enumerate(targets):
            if tokens[position] == stream.end_of_text:
                begin = position
            if target != IGNORED:
                logits = model(torch.tensor([tokens[begin : position + 1]]))[0, -1]
                costs.append(-logits.log_softmax(-1)[target])
    return torch.stack(costs).mean()


@pytest.mark.parametrize(("accumulation", "n_threads"), [(1, 1), (3, 1), (2, 3)])
def test_a_step_takes_the_mean_of_all_graded_tokens(
    accumulation: int, n_threads: int, chats: TokenStream, small: Tokenizer
) -> None:
    model = new_model(small)
    config = TrainConfig(
        model=model.config, context=80, batch_size=3, accumulation=accumulation, copying_start=False, device="cpu"
    )
    assert chats.fits(config.context)
    trainer = Trainer(model, chats, chats, config)
    random = torch.Generator().manual_seed(trainer._seed_of(0))
    rows = torch.cat([trainer._rows(random) for _ in range(accumulation)])
    per_row = (rows[:, 1] != IGNORED).sum(dim=1)
    assert per_row.unique().numel() > 1  # otherwise, a mean of means would do
    expected = slow_loss(model, chats, rows)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        loss = trainer._gradients()
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(loss, expected.detach())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_a_step_without_graded_tokens_has_no_gradient(chats: TokenStream, small: Tokenizer) -> None:
    chats.graded_arrays = [np.zeros_like(array) for array in chats.graded_arrays]
    config = TrainConfig(model=new_model(small).config, context=80, batch_size=3, copying_start=False, device="cpu")
    trainer = Trainer(new_model(small), chats, chats, config)
    assert trainer._gradients() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in trainer.model.parameters())


@pytest.mark.parametrize("context", [80, 24])
def test_reports_and_evaluation_measure_graded_tokens_only(context: int, chats: TokenStream, small: Tokenizer) -> None:
    model = new_model(small)
    config = TrainConfig(model=model.config, context=context, report_sequences=4, copying_start=False, device="cpu")
    trainer = Trainer(model, chats, chats, config)
    if context == 80:  # document by document
        rows = [torch.stack([document[:-1], document[1:]]) for document in chats.documents()]
        graded = chats.graded(0, len(chats)).split([row.shape[1] for row in rows])
        rows = [
            torch.stack([row[0], row[1].masked_fill(~mask, IGNORED)]) for row, mask in zip(rows, graded, strict=True)
        ]
        reported = rows[:4]
    else:  # in windows, as rows of examples; no document separator, so tokens see all before them
        rows = list(chats.examples(range(0, len(chats) - context, context), context))
        reported = list(chats.examples(trainer._val_windows, context))

    def mean(rows: list[Tensor]) -> float:
        costs = []
        for tokens, targets in rows:
            with torch.no_grad():
                costs.append(F.cross_entropy(model(tokens[None])[0], targets, reduction="none")[targets != IGNORED])
        return float(torch.cat(costs).mean())

    assert trainer._validate()[0] == pytest.approx(mean(reported), rel=1e-5)
    result = evaluate(model, small, chats, context)
    assert result.loss == pytest.approx(mean(rows), rel=1e-5)
    targets = torch.cat([row[1][row[1] != IGNORED] for row in rows])
    assert result.n_tokens == len(targets)
    assert result.n_bytes == len(small.decode_bytes(targets[targets != small.end_of_text]))


# ---- the template --------------------------------------------------------------------------------------------------


def test_the_template_stays_with_the_tokenizer(tmp_path: Path, small: Tokenizer) -> None:
    tokenizer = small.with_chat_template(TEMPLATE)
    assert small.chat_template is None
    assert tokenizer == small  # the ids are the same
    model = new_model(tokenizer)
    model.save_pretrained(tmp_path / "model")
    loaded = GPT2.from_pretrained(tmp_path / "model")
    for kept in (loaded, loaded.quantize(), copy.deepcopy(loaded)):
        assert kept.require_tokenizer().chat_template == TEMPLATE
    assert pickle.loads(pickle.dumps(tokenizer)).chat_template == TEMPLATE
    # transformers writes it to a file of its own, which it prefers
    GPT2TokenizerFast.from_pretrained(tmp_path / "model").save_pretrained(tmp_path / "theirs")
    assert (tmp_path / "theirs" / "chat_template.jinja").exists()
    assert Tokenizer.load(tmp_path / "theirs").chat_template == TEMPLATE
    small.save(tmp_path / "theirs")
    assert Tokenizer.load(tmp_path / "theirs").chat_template is None
    assert GPT2TokenizerFast.from_pretrained(tmp_path / "theirs").chat_template is None


def test_a_run_on_dialogues_leaves_a_model_with_the_template(tmp_path: Path) -> None:
    write_chats(tmp_path / "chats.jsonl", 60)
    shape = GPT2Config(300, 96, 16, 1, 2)
    config = TrainConfig(
        data=str(tmp_path / "chats.jsonl"), out=str(tmp_path / "run"), model=shape, context=80, batch_size=2, steps=2,
        sample_tokens=9, sample_prompt="What is 1 plus 1?",
    )  # fmt: skip
    history = Trainer.from_config(config).train(verbose=False)
    model = GPT2.from_pretrained(tmp_path / "run")
    prompt = "User: What is 1 plus 1?\nAssistant:"  # a sample answers a question
    text = model.generate(prompt, max_new_tokens=9, seed=0, stop=["\nUser:", "\nAssistant:", "\nSystem:"])
    assert prompt + history[-1]["sample"] == text
    assert GPT2.from_pretrained(tmp_path / "run").require_tokenizer().chat_template == TEMPLATE
    trainer = Trainer.from_config(replace(config, steps=4), resume=True)
    assert trainer.train_data.graded_arrays
    trainer.train(verbose=False)
    assert GPT2.from_pretrained(tmp_path / "run").require_tokenizer().chat_template == TEMPLATE
