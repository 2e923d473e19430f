"""Wrong answers to all exercises, made mechanically from the solutions in the chapters, and what `check` says of them.

`python tests/unit/mutants.py 3.1 12.2` prints a table, and those which pass, are no mistakes, or are not named.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import difflib
import io
import random
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
import torch
from torch import Tensor

from gpt2_course.exercises import check
from gpt2_course.exercises.borrowing import COURSE
from gpt2_course.exercises.compare import agree
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.exercises.tensors import plain

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
SOLUTION = re.compile(r'<details class="solution">.*?```python\n(.*?)```', re.DOTALL)
STEPS = 3000  # lines that a wrong answer may run in one call; more is an endless loop
Function = Callable[..., Any]


# ---- solutions ----------------------------------------------------------------------------------------------------


@lru_cache
def solutions(chapter: int) -> tuple[dict[str, ast.FunctionDef], dict[str, Any]]:
    """The solutions of a chapter by number, and the names that they can use: its imports, functions, and solutions."""
    paths = [next(CHAPTERS.glob(f"{chapter:02}_*.ipynb")), *sorted(CHAPTERS.parent.glob("book/appendix_*.ipynb"))]
    cells = [cell for path in paths for cell in nbformat.read(path, as_version=4).cells]  # type: ignore[no-untyped-call]
    names: dict[str, Any] = {"__name__": "solutions"}
    found: dict[str, ast.FunctionDef] = {}
    for cell in cells:
        code = cell.source if cell.cell_type == "code" else "\n".join(SOLUTION.findall(cell.source))
        with contextlib.suppress(SyntaxError):  # a cell with a command for the shell
            body = ast.parse(code).body
            if cell.cell_type == "markdown" and f'check("{chapter}.' not in code:
                continue  # a solution of another chapter, in an appendix
            for node in body:
                if isinstance(node, (ast.Import, ast.ImportFrom)) or (
                    isinstance(node, ast.FunctionDef) and (cell.cell_type == "markdown" or node.name not in names)
                ):
                    with contextlib.suppress(ImportError, NameError):
                        exec(compile(ast.Module([node], []), "<chapter>", "exec"), names)
            if cell.cell_type == "markdown" and body:
                number, name = ast.literal_eval(body[-1].value.args[0]), body[-1].value.args[1].id
                found[number] = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)
    return found, names


def built(tree: ast.FunctionDef, names: dict[str, Any]) -> Function:
    code = compile(ast.fix_missing_locations(ast.Module([tree], [])), "<mutant>", "exec")
    inside = {**COURSE, **names}  # what a chapter takes from `mine()` is the course's
    exec(code, inside)
    return inside[tree.name]  # type: ignore[no-any-return]


# ---- mutations ----------------------------------------------------------------------------------------------------

OTHER_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


def variants(node: ast.AST, parameters: list[str]) -> Iterator[ast.AST]:
    """What one mistake can make of a node of the solution."""

    def but(**changes: Any) -> Any:
        new = copy.copy(node)
        for name, value in changes.items():
            setattr(new, name, value)
        return new

    if isinstance(node, ast.BinOp):
        yield node.left  # a term, a factor, or an exponent is missing
        yield node.right
        yield but(left=node.right, right=node.left)
        yield from (but(op=op()) for op in OTHER_OPERATORS.get(type(node.op), ()))
    elif isinstance(node, ast.AugAssign):
        yield from (but(op=op()) for op in OTHER_OPERATORS.get(type(node.op), ()))
        yield ast.Assign([node.target], node.value)
        yield ast.Pass()
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from (but(ops=[op()]) for op in OTHER_OPERATORS.get(type(node.ops[0]), ()))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield from (ast.Constant(value) for value in dict.fromkeys((node.value + 1, node.value - 1, 0)))
            yield ast.Constant(2 * node.value or 2)
        elif isinstance(node.value, str) and node.value:
            yield from map(ast.Constant, {node.value[1:], node.value[:-1], node.value.lower()} - {node.value})
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield node.value
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield node.func.value  # the call is missing
        if node.args:
            yield node.args[0]
        for i in range(len(node.keywords)):
            yield but(keywords=[k for k in node.keywords if k is not node.keywords[i]])
        for i in range(len(node.args) - 1):
            yield but(args=[*node.args[:i], node.args[i + 1], node.args[i], *node.args[i + 2 :]])
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Slice):
        yield from (but(**{side: None}) for side in ("lower", "upper") if getattr(node, side))
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in parameters:
        yield from (ast.Name(other, ast.Load()) for other in parameters if other != node.id)
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.If):
        yield but(test=ast.Constant(True))
        yield but(test=ast.Constant(False))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield but(ifs=[])
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        yield but(elts=node.elts[::-1])
    elif isinstance(node, ast.Assign):
        yield ast.Pass()
    elif isinstance(node, ast.Return) and node.value:
        yield ast.Expr(node.value)
        yield ast.Expr(ast.Call(ast.Name("print", ast.Load()), [node.value], []))


def mutants(tree: ast.FunctionDef) -> dict[str, ast.FunctionDef]:
    """All functions that differ from the solution by one mistake, by the lines that differ."""
    parameters = [arg.arg for arg in tree.args.args]
    original = ast.unparse(tree)
    found: dict[str, ast.FunctionDef] = {}

    def visit(node: ast.AST, path: tuple[tuple[str, int | None], ...]) -> Iterator[tuple[Any, ast.AST]]:
        if path:
            yield from ((path, new) for new in variants(node, parameters))
        for name, value in ast.iter_fields(node):
            if name in ("args", "decorator_list", "returns", "annotation") and isinstance(node, ast.FunctionDef):
                continue
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    yield from visit(child, (*path, (name, i)))

    for path, new in visit(tree, ()):
        mutant = copy.deepcopy(tree)
        owner: Any = mutant
        for name, i in path[:-1]:
            owner = getattr(owner, name) if i is None else getattr(owner, name)[i]
        name, i = path[-1]
        if i is None:
            setattr(owner, name, copy.deepcopy(new))
        else:
            getattr(owner, name)[i] = copy.deepcopy(new)
        with contextlib.suppress(SyntaxError, ValueError, TypeError, AttributeError):
            text = ast.unparse(ast.fix_missing_locations(mutant))
            compile(text, "<mutant>", "exec")
            lines = difflib.ndiff(original.splitlines(), text.splitlines())
            changed = [line[1:].strip() for line in lines if line.startswith("+")]
            if changed:
                mutant = ast.parse(text).body[0]  # type: ignore[assignment]
                found.setdefault("; ".join(changed), mutant)
    return found


# ---- judgment -----------------------------------------------------------------------------------------------------


class Endless(BaseException):
    """A wrong answer has not come to an end."""


class Bounded:
    """A function that stops with `Endless` after STEPS lines, and records the arguments of its calls."""

    def __init__(self, function: Function) -> None:
        self.__wrapped__ = function  # for its signature, its code, and its lines
        self.__name__ = function.__name__
        self.endless = False
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any) -> Any:
        self.calls.append(copy.deepcopy(args))
        left = STEPS

        def trace(frame: types.FrameType, event: str, value: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename != "<mutant>":
                return None
            left -= 1
            if left < 0:
                self.endless = True
                raise Endless
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return self.__wrapped__(*args)
        finally:
            sys.settrace(before)


def varied(value: Any, luck: random.Random) -> Any:
    """A random argument of the same kind and size."""
    if isinstance(value, Tensor):
        g = torch.Generator().manual_seed(luck.randrange(10**6))
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=g)
            return (value + 0.1 * noise).clamp(0, 0.999) if ((value >= 0) & (value <= 1)).all() else value + noise
        order = torch.randperm(value.numel(), generator=g)
        return value.flatten()[order].view(value.shape)
    if isinstance(value, list) and value and all(isinstance(part, (int, str)) for part in value):
        return luck.choices(value, k=luck.randint(1, len(value)))
    if isinstance(value, (list, tuple)):
        return type(value)(varied(part, luck) for part in value)
    if isinstance(value, float):
        return value * luck.uniform(0.5, 1.0)
    return value


def outcome(function: Function, args: tuple[Any, ...]) -> tuple[Any, bool]:
    """The result of a call, and whether it raised an error."""
    try:
        return plain(function(*copy.deepcopy(args))), False
    except Exception:
        return None, True


def equivalent(mutant: Function, solution: Function, calls: list[tuple[Any, ...]]) -> bool:
    """Whether the mutant does the same as the solution for the arguments of the check and for random ones."""
    luck = random.Random(3)
    inputs = [*calls, *(tuple(varied(arg, luck) for arg in call) for call in calls for _ in range(20))]
    for args in inputs:
        (right, failed), (found, stopped) = outcome(solution, args), outcome(mutant, args)
        if not failed and (stopped or not agree(found, right)):
            return False
    return True


@dataclass
class Judged:
    """The mutants of a solution by what `check` says of them: the changed lines, and the message."""

    named: dict[str, str] = field(default_factory=dict)
    unnamed: dict[str, str] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    equivalent: list[str] = field(default_factory=list)  # no mistakes after all

    @property
    def rejected(self) -> int:
        return len(self.named) + len(self.unnamed)

    @property
    def stopped(self) -> int:
        """How many were rejected because of an error or a missing result, which needs no knowledge of the exercise."""
        return sum(" stopped" in text or " returned nothing" in text for text in self.named.values())


@lru_cache
def judged(number: str) -> Judged:
    """What `check` says of all mutants of the solution of an exercise."""
    found, names = solutions(int(number.split(".")[0]))
    solution = Bounded(built(found[number], names))
    assert check(number, solution, remember=False).state == "correct", number
    result = Judged()
    for change, tree in mutants(found[number]).items():
        mutant = Bounded(built(tree, names))
        feedback = check(number, mutant, remember=False)
        if mutant.endless:
            continue
        if feedback.state != "correct":
            (result.named if feedback.named else result.unnamed)[change] = feedback.message
        elif equivalent(mutant.__wrapped__, solution.__wrapped__, solution.calls):
            result.equivalent.append(change)
        else:
            result.accepted.append(change)
    return result


def table(numbers: list[str]) -> Iterator[str]:
    """Lines with the counts of each exercise, and their sum."""
    yield "exercise  mutants  equivalent  accepted  rejected  named  named of those that return something"
    sums = [0, 0, 0, 0, 0]
    for number in numbers:
        j = judged(number)
        counts = [len(j.equivalent), len(j.accepted), j.rejected, len(j.named), j.stopped]
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        yield _row(number, counts)
    yield _row("all", sums)


def _row(name: str, counts: list[int]) -> str:
    same, accepted, rejected, named, stopped = counts
    return (
        f"{name:>8} {same + accepted + rejected:>8} {same:>11} {accepted:>9}"
        f" {rejected / max(1, accepted + rejected):>9.0%} {named / max(1, rejected):>6.0%}"
        f" {(named - stopped) / max(1, rejected - stopped):>6.0%}"
    )


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(EXERCISES)
    print("\n".join(table(chosen)))
    for number in chosen:
        for change in judged(number).accepted:
            print(f"{number} accepted: {change}")
        for change in judged(number).equivalent:
            print(f"{number} equivalent: {change}")
        for change, message in judged(number).unnamed.items():
            print(f"{number} unnamed: {change}\n        {message}")
