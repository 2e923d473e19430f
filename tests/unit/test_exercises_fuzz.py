"""No answer raises an error out of `check`, none goes without a message, and no strange one is correct."""

from __future__ import annotations

import io
import itertools
import math
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gpt2_course.exercises import check
from gpt2_course.exercises.registry import EXERCISES

pytestmark = pytest.mark.filterwarnings("ignore")  # of NumPy and PyTorch about strange values


class Raises:
    """An object whose every method raises an error."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __iter__(self) -> Iterator[Any]:
        raise SystemExit("iter")

    def __index__(self) -> int:
        raise ValueError("index")


class Equal:
    """An object that claims to be equal to everything."""

    shape = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Lists(list):  # type: ignore[type-arg]
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]


class Dicts(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("items")

    def keys(self) -> Any:
        raise RuntimeError("keys")


def around() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


SHAPES = [(0,), (1,), (2,), (3,), (5,), (6,), (0, 3), (1, 1), (2, 3), (3, 3), (5, 3), (4, 6), (2, 4, 3), (3, 5, 4)]
DTYPES = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.bool, torch.complex64]
VALUES: list[Any] = [
    *(0, 1, -1, 2, 7, 10**400, -(10**30), 2**63, True, False),
    *(0.0, 0.5, -0.0, 1e300, 1e-300, math.nan, math.inf, -math.inf, 1j, complex(math.nan, 1)),
    *(Fraction(1, 3), Decimal("0.1"), Decimal("NaN")),
    *("", "a", "Question", "\ud800", "x" * 100_000, b"", b"\xff", bytearray(b"a"), memoryview(b"abc")),
    *([], [[]], [None], [...], [1], [1, 2], ["a"], [math.nan], [[1], [1, 2]], [1, "a"], list(range(10_000))),
    *((), (1,), (1, 2), ((1, 2), 3), ("a", "b"), (None, None), (torch.ones(2), None), (torch.ones(2), "a")),
    *({}, {1: 2}, {"a": None}, {("the", "cat"): "many"}, {("the", "cat"): torch.ones(2)}, {"cat": math.nan}),
    *({"wte": None}, {"wte": [3, 2]}, {("a", "b", "c"): 1}, {None: None}, Counter("abc"), Counter({"a": -1})),
    *(defaultdict(int), OrderedDict(a=1), deque([1, 2]), set(), {1, 2}, frozenset({1}), range(3), slice(1, 2)),
    *(iter([1]), (x for x in [1, 2]), zip("ab", "cd", strict=True), map(str, [1]), {}.keys(), {}.items(), object()),
    *(
        int,
        print,
        sys,
        type,
        len,
        NotImplemented,
        Ellipsis,
        None,
        Path("a"),
        Exception("x"),
        ValueError,
        itertools.count(),
    ),
    *(
        Raises(),
        Equal(),
        Lists([1]),
        Dicts(a=1),
        around(),
        [Raises()],
        (Raises(), Raises()),
        {"a": Raises()},
        [Equal()],
    ),
    *(np.float64(0.5), np.int32(1), np.bool_(True), np.str_("a"), np.array(1), np.array("a"), np.array([None])),
    *(np.zeros(0), np.ones((2, 2)), np.array([[1, 2], [3, 4]], dtype=object), np.ones(3, dtype=complex)),
    *(np.datetime64("2020-01-01"), np.zeros(2, dtype=[("a", int)]), np.float16(1), np.ma.masked, np.matrix([[1]])),
    *(torch.tensor(1), torch.tensor(0.5), torch.tensor(math.nan), torch.tensor(True), torch.tensor(1j)),
    *(torch.ones(*shape) for shape in SHAPES),
    *(torch.full(shape, math.nan) for shape in SHAPES[2::2]),
    *(torch.full(shape, math.inf) for shape in SHAPES[3::3]),
    *(torch.ones(shape, dtype=dtype) for shape, dtype in itertools.product([(2,), (5, 3)], DTYPES)),
    torch.eye(3).to_sparse(),
    torch.eye(3).to_sparse_csr(),
    torch.ones(2, 3, requires_grad=True),
    torch.ones(2, 3, requires_grad=True).sum(),
    torch.nn.Parameter(torch.ones(3)),
    torch.ones(5, 3, device="meta"),
    torch.tensor(1.0, device="meta"),
    torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8),
    torch.ones(5, 3).expand(4, 5, 3),
    torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    [torch.ones(2, 2), torch.ones(2), torch.ones(3)],
    [torch.ones(5, device="meta")],
    torch.Size([1, 2]),
    torch.float32,
    torch.nn.Linear(2, 2),
]


def raising(error: BaseException | type[BaseException]) -> Callable[..., Any]:
    def raise_it(*args: Any) -> Any:
        len(args)
        raise error

    return raise_it


def changing(*args: Any) -> Any:
    """Change all arguments in place, and return the first."""
    for arg in args:
        if isinstance(arg, Tensor):
            arg.zero_()
        elif isinstance(arg, (list, dict)):
            arg.clear()
    return args[0]


def reshaping(*args: Any) -> Any:
    for arg in args:
        if isinstance(arg, Tensor):
            arg.resize_(1)
        elif isinstance(arg, list):
            arg.append(Raises())
    return args[-1]


def endless_recursion(*args: Any) -> Any:
    return endless_recursion(*args)


def yielding(*args: Any) -> Any:
    yield from args


async def waiting(*args: Any) -> Any:
    return args


class Callable_:
    def __call__(self, *args: Any) -> Any:
        return args


class Stubborn:
    @property
    def __name__(self) -> str:  # type: ignore[override]
        raise RuntimeError("name")

    def __call__(self, *args: Any) -> Any:
        return 1


def sometimes(*args: Any) -> Any:
    """Return something the first time only."""
    sometimes.calls += 1  # type: ignore[attr-defined]
    return args[0] if sometimes.calls % 3 == 1 else None  # type: ignore[attr-defined]


sometimes.calls = 0  # type: ignore[attr-defined]

FUNCTIONS: list[Callable[..., Any]] = [
    *map(
        raising,
        (
            ValueError("x\ny"),
            ValueError(),
            KeyError("a"),
            SystemExit(1),
            SystemExit,
            GeneratorExit,
            BaseException("odd"),
            StopIteration,
            NotImplementedError("not for 'Long'"),
            MemoryError,
            RecursionError,
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
            AssertionError,
            ExceptionGroup("two", [ValueError()]) if sys.version_info >= (3, 11) else OSError,  # noqa: F821
        ),
    ),
    changing,
    reshaping,
    endless_recursion,
    yielding,
    waiting,
    Callable_(),
    Stubborn(),
    sometimes,
    lambda: 1,
    lambda a, b, c, d, e, f, g: 1,
    lambda *, key: key,
    lambda *args, key: key,
    lambda *args: args,
    lambda *args: args[::-1],
    lambda *args: list(args),
    lambda *args: dict(enumerate(args)),
    lambda *args: lambda: args,
    lambda *args: args[0] / "a",
    lambda *args: args[0][10**30],
    lambda *args: undefined_name,  # type: ignore[name-defined]  # noqa: F821
    lambda *args: print("shown", file=io.StringIO()),
    eval,
    isinstance,
    torch.add,
    torch.cat,
    np.add,
    print,
    str,
    dict,
    Counter,
]


@pytest.mark.parametrize("number", EXERCISES)
def test_no_strange_answer_raises_or_is_correct(number: str) -> None:
    answers = [*VALUES, *FUNCTIONS, *((lambda *args, value=value: value) for value in VALUES)]
    for i, answer in enumerate(answers):
        feedback = check(number, answer, remember=False)
        assert feedback.state != "correct", (i, type(answer))
        assert feedback.message.strip(), i
        assert len(feedback.message) < 1000, (i, len(feedback.message))
        assert repr(feedback), i
        assert feedback._repr_html_(), i


def test_there_are_at_least_two_hundred_strange_answers() -> None:
    assert len(VALUES) + len(FUNCTIONS) > 200


def test_ctrl_c_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        check("1.1", raising(KeyboardInterrupt))
