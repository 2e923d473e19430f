"""Say where a learner's function stopped, what met there, and what the usual cause is."""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

KEEP = "Keep the loss a tensor with gradients until after backward(): no .item(), .detach(), or no_grad before it."
# The usual cause of an error, by its type and a pattern in its message; the first that fits is shown.
CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        RuntimeError,
        "shapes cannot be multiplied|size mismatch|inconsistent tensor size|to be the same size|batch2 tensor|bmm",
        "In A @ B, the last dimension of A must be as long as the last but one of B: is a transpose missing, or are "
        "the two swapped?",
    ),
    (
        RuntimeError,
        r"must match the size of tensor|must match the existing size|not broadcastable",
        "Dimensions are compared from the right, and must be equal or 1: is keepdim=True or a transpose missing?",
    ),
    (
        RuntimeError,
        "is invalid for input of size",
        "The sizes in view or reshape must multiply to the count of numbers.",
    ),
    (RuntimeError, "view size is not compatible", "After a transpose, use reshape instead of view."),
    (RuntimeError, "boolean masks", "A mask holds True and False: use dtype=torch.bool, or compare with == 1."),
    (RuntimeError, "does not require grad", KEEP),
    (AttributeError, "'float' object has no attribute 'backward'", KEEP),
    (
        AttributeError,
        "'(list|tuple)' object has no attribute",
        "Turn a list of tensors into a tensor first: torch.stack.",
    ),
    (
        RuntimeError,
        "same dtype|expected scalar type|not implemented for|could not infer output dtype|result type .* be cast",
        "Whole numbers and decimals are mixed: turn whole numbers into decimals with .float().",
    ),
    (RuntimeError, "expected m.* to have", "Whole numbers and decimals are mixed: use .float()."),
    (RuntimeError, "Boolean value of Tensor", "`if` needs a single True or False: use .any(), .all(), or torch.where."),
    (
        RuntimeError,
        "cannot be converted to Scalar|only one element",
        "Only a tensor with one number can become a number.",
    ),
    (IndexError, "Dimension out of range", "A tensor of n dimensions has dimensions 0 to n − 1, or −n to −1."),
    (IndexError, "tensors used as indices", "Indices are whole numbers: use .long()."),
    (IndexError, "too many indices", "There are more indices than the tensor has dimensions."),
    (IndexError, "", "Counting starts at 0, so the last index is the length minus 1."),
    (UnboundLocalError, "", "This variable gets its value later, or only in another branch of your function."),
    (NameError, "'softmax'", "Tensors have it: scores.softmax(-1)."),
    (NameError, "", "Import or define it first (in a notebook, run the cell that does); check its spelling, too."),
    (KeyError, "", "The dictionary has no such key: look with `in` first, or use .get()."),
    (RecursionError, "", "Your function calls itself without end."),
    (TimeoutError, "still running", "Does your loop ever end?"),
    (ZeroDivisionError, "", "Something that you divide by can be 0."),
    (ValueError, "only one element", "torch.tensor takes numbers. For a list of tensors, use torch.stack."),
    (ValueError, "math domain error|expected a positive input", "The logarithm needs a number above 0."),
    (
        ValueError,
        "invalid literal for int.*: b",
        "int() reads digits; for bytes, use int.from_bytes(data[:8], 'little').",
    ),
    (UnicodeDecodeError, "", "Some characters take several bytes: join all bytes first, then decode once."),
    (TypeError, "'function' object is not", "This is a function: call it, as in layers(weights)."),
    (TypeError, "must be Tensor, not (int|float)", "For a number, use math, such as math.sqrt, or ** 0.5."),
    (TypeError, "got float|'float' object cannot be interpreted", "Sizes are whole numbers: use // to divide."),
    (
        TypeError,
        r"assign a str|invalid combination of arguments - got \([^)]*\bstr\b",
        "This is a string. A number is needed, such as 0.5 or float('-inf').",
    ),
    (TypeError, "not callable", "Parentheses call a function; use square brackets for an index."),
    (SystemExit, "", "Return a value instead of ending the program."),
)


def why_it_stopped(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], error: BaseException
) -> tuple[str, str]:
    """What happened in a learner's function that raised an error, with its line and the tensors in it; the usual cause.

    The cause is "" if it is not known.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    # Tensors are too long to print, and their shapes are shown with the line.
    shown = name if any(isinstance(arg, Tensor) for arg in args) else f"{name}({', '.join(map(_short, args))})"
    where = shapes = ""
    if code and (place := _last_place(code, error)):
        frame, number = place
        text = linecache.getline(code.co_filename, number).strip()
        where = f" in line {_line(code, number)}" + (f", `{_cut(text, 80)}`," if text else "")
        if isinstance(error, (RuntimeError, IndexError, ValueError, TypeError)):
            shapes = _shapes(text, frame)
    said = _cut((str(error).strip() or " ").splitlines()[0].strip().rstrip("."), 150)
    cause = next((c for kind, part, c in CAUSES if isinstance(error, kind) and re.search(part, str(error))), "")
    return f"{shown} stopped{where} with {type(error).__name__}{f': {said}' if said else ''}{shapes}.", cause


def _line(code: CodeType, number: int) -> str:
    """The number of a line in a file, or in the function if it was defined in a notebook's cell."""
    path = Path(code.co_filename)
    if path.suffix == ".py" and path.exists():
        return f"{number} of {path.name}"
    return f"{number - code.co_firstlineno + 1}"


def _last_place(code: CodeType, error: BaseException) -> tuple[FrameType, int] | None:
    """The frame and the line in the function where the error arose or passed through; None if it never ran."""
    codes = _with_inner(code)
    found, step = None, error.__traceback__
    while step:
        if step.tb_frame.f_code in codes:
            found = step.tb_frame, step.tb_lineno
        step = step.tb_next
    return found


def _with_inner(code: CodeType) -> set[CodeType]:
    """A function's code, with that of the functions and comprehensions in it."""
    return {code}.union(*(_with_inner(const) for const in code.co_consts if isinstance(const, CodeType)))


def _shapes(text: str, frame: FrameType) -> str:
    """The shapes of the tensors that a line of code names: " (q is (5, 4), k is (5, 4))"."""
    names = dict.fromkeys(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))
    values = {name: frame.f_locals[name] for name in names if isinstance(frame.f_locals.get(name), Tensor)}
    shown = [f"{name} has shape {tuple(value.shape)}" for name, value in values.items()]
    return f" ({', '.join(shown[:4])})" if shown else ""


def _short(value: object) -> str:
    """The repr of a value, shortened to 60 characters; of functions and optimizers only the name."""
    if isinstance(value, Optimizer):
        return "optimizer"
    if isinstance(value, FunctionType):
        return value.__name__.lstrip("_")
    return _cut(repr(value), 60)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
