"""The exercises of chapter 16: faster and bigger."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise


@exercise("16.1", "Bits per byte")
def bits_per_byte(answer: Callable[[float, str], Any]) -> str | None:
    """`answer(nats, text)` converts the surprise at a text from nats to bits per byte."""

    def size(text: str) -> int:
        return len(text.encode())

    usual: dict[str, Callable[[float, str], float] | tuple[Callable[[float, str], float], ...]] = {
        "This is per character. An é has two bytes, 🥞 four. Use len(text.encode()).": (
            lambda nats, text: nats / math.log(2) / len(text)
        ),
        "This is per word. Divide by the number of bytes, len(text.encode()).": (
            lambda nats, text: nats / math.log(2) / len(text.split())
        ),
        "These are nats per byte. A bit is ln 2 = 0.69 nats, so divide by ln 2.": lambda nats, text: nats / size(text),
        "These are nats per character. Divide by ln 2, and by the number of bytes.": lambda nats, text: (
            nats / len(text)
        ),
        "You multiplied by ln 2. Divide: a bit is smaller than a nat, so there are more bits than nats.": (
            lambda nats, text: nats * math.log(2) / size(text)
        ),
        "These are the bits of the whole text. Divide by the number of bytes.": lambda nats, text: nats / math.log(2),
        "You multiplied by the number of bytes. Divide by it.": lambda nats, text: nats / math.log(2) * size(text),
        "These are bytes per bit. Divide bits by bytes.": lambda nats, text: size(text) / (nats / math.log(2)),
        "You divided by 8. Bits of surprise have nothing to do with the 8 bits in a byte.": (
            lambda nats, text: nats / math.log(2) / size(text) / 8
        ),
        "0.69 is ln 2 with two digits only. Divide by math.log(2).": (
            lambda nats, text: nats / 0.69 / size(text),
            lambda nats, text: nats / 0.693 / size(text),
            lambda nats, text: nats / 0.7 / size(text),
        ),
        "You divided by 2. Divide by ln 2, math.log(2).": lambda nats, text: nats / 2 / size(text),
        "You divided by log₂ e or multiplied by ln 2, or took math.log of another number. Divide by math.log(2).": (
            lambda nats, text: nats / math.log2(math.e) / size(text),
            lambda nats, text: nats / math.log(3) / size(text),
            lambda nats, text: nats / math.log(4) / size(text),
            lambda nats, text: nats / math.log(10) / size(text),
            lambda nats, text: nats / math.log10(2) / size(text),
        ),
        "You took the logarithm of the nats. They are logarithms already: divide by ln 2.": (
            lambda nats, text: math.log2(nats) / size(text)
        ),
    }
    inputs = [(12.0, "a café 🥞"), (3.0, "kite"), (7.5, "Él\n")]
    return compare(answer, inputs, lambda nats, text: nats / math.log(2) / size(text), usual)


@exercise("16.2", "Forecast")
def forecast_loss(answer: Callable[[float, float, float, float, float, float], Any]) -> str | None:
    """`answer(n1, loss1, n2, loss2, n3, floor)` returns the loss at n3, on the line of ln(loss − floor) over ln N."""
    Numbers = Callable[..., float]

    def slope(n1: float, l1: float, n2: float, l2: float, n3: float, floor: float) -> float:
        return math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1)

    def line(n1: float, l1: float, n2: float, l2: float, n3: float, floor: float) -> float:
        return float(floor + (l2 - floor) * (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor))

    def with_slope(of: Numbers) -> Numbers:
        """The forecast with another slope."""
        return lambda n1, l1, n2, l2, n3, floor: floor + (l2 - floor) * (n3 / n2) ** of(n1, l1, n2, l2, n3, floor)

    usual: dict[str, Numbers | tuple[Numbers, ...]] = {
        "You left out the floor. Fit the line to loss − floor.": lambda n1, l1, n2, l2, n3, floor: line(
            n1, l1, n2, l2, n3, 0.0
        ),
        "This is loss − floor. Add the floor back.": lambda *given: line(*given) - given[5],
        "This is ln(loss − floor). Take math.exp of it, and add the floor.": (
            lambda *given: math.log(line(*given) - given[5]),
            lambda *given: math.log(line(*given) - given[5]) + given[5],
        ),
        "You subtracted the floor at the end. Add it back.": lambda *given: line(*given) - 2 * given[5],
        "You added the floor before the forecast. Subtract it from the losses, and add it back at the end.": (
            lambda n1, l1, n2, l2, n3, floor: line(n1, l1, n2, l2, n3, -floor),
            lambda n1, l1, n2, l2, n3, floor: line(n1, l1, n2, l2, n3, -floor) + 2 * floor,
        ),
        "You added the floor to a line that was fitted without it. Subtract it from both losses first.": (
            lambda n1, l1, n2, l2, n3, floor: line(n1, l1, n2, l2, n3, 0.0) + floor
        ),
        "You used the floor in the slope only. Start from loss2 − floor, too.": lambda n1, l1, n2, l2, n3, floor: (
            floor + l2 * (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "Your slope is that of the losses. Take it from loss − floor.": with_slope(
            lambda n1, l1, n2, l2, n3, floor: math.log(l2 / l1) / math.log(n2 / n1)
        ),
        "In the slope, the floor is missing from one of the losses. Subtract it from both.": (
            with_slope(lambda n1, l1, n2, l2, n3, floor: math.log(l2 / (l1 - floor)) / math.log(n2 / n1)),
            with_slope(lambda n1, l1, n2, l2, n3, floor: math.log((l2 - floor) / l1) / math.log(n2 / n1)),
        ),
        "In the slope, you added the floor to a loss. Subtract it from both.": (
            with_slope(lambda n1, l1, n2, l2, n3, floor: math.log((l2 + floor) / (l1 - floor)) / math.log(n2 / n1)),
            with_slope(lambda n1, l1, n2, l2, n3, floor: math.log((l2 - floor) / (l1 + floor)) / math.log(n2 / n1)),
        ),
        "You started from loss2 + floor. Start from loss2 − floor.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 + floor) * (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "You drew a straight line of the loss over N. Take the logarithms of both.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / (n2 - n1) * (n3 - n2)
        ),
        "Only N is on a logarithmic axis. Put loss − floor on one, too.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / math.log(n2 / n1) * math.log(n3 / n2)
        ),
        "Only the loss is on a logarithmic axis. Put N on one, too.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * ((l2 - floor) / (l1 - floor)) ** ((n3 - n2) / (n2 - n1))
        ),
        "In the slope, the logarithm of the losses is missing.": with_slope(
            lambda n1, l1, n2, l2, n3, floor: (l2 - floor) / (l1 - floor) / math.log(n2 / n1)
        ),
        "In the slope, the logarithm of n2 / n1 is missing.": with_slope(
            lambda n1, l1, n2, l2, n3, floor: math.log((l2 - floor) / (l1 - floor)) / (n2 / n1)
        ),
        "The slope is the change of the loss divided by that of N. You multiplied.": with_slope(
            lambda n1, l1, n2, l2, n3, floor: math.log((l2 - floor) / (l1 - floor)) * math.log(n2 / n1)
        ),
        "The slope is upside down. Divide the change of the loss by that of N.": with_slope(
            lambda *given: 1 / slope(*given)
        ),
        "Your slope is only the change of the loss. Divide it by math.log(n2 / n1).": with_slope(
            lambda n1, l1, n2, l2, n3, floor: math.log((l2 - floor) / (l1 - floor))
        ),
        "Your slope is only the change of N. Divide the change of the loss by it.": with_slope(
            lambda n1, l1, n2, l2, n3, floor: math.log(n2 / n1)
        ),
        "Your line goes up. Check the sign of the slope.": with_slope(lambda *given: -slope(*given)),
        "You started at the first model but took the distance from the second.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l1 - floor) * (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "You started at the second model but took the distance from the first.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n3 / n1) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "You multiplied by the slope. n3 / n2 must be raised to it: ** slope.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n3 / n2) * slope(n1, l1, n2, l2, n3, floor)
        ),
        "The slope has no effect. Raise n3 / n2 to it: ** slope.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n3 / n2)
        ),
        "You added (n3 / n2) ** slope. Multiply loss2 − floor by it.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) + (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "You divided by (n3 / n2) ** slope. Multiply by it.": with_slope(lambda *given: -slope(*given)),
        "You multiplied by the floor. Add it.": lambda *given: given[5] * (line(*given) - given[5]),
        "Only (n3 / n2) ** slope is left, without the loss of the second model. Multiply by loss2 − floor.": (
            lambda n1, l1, n2, l2, n3, floor: floor + (n3 / n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "This is the loss of the second model. Continue along the line to n3.": lambda n1, l1, n2, l2, n3, floor: l2,
        "This is the slope. Use it to get from the second model to n3.": slope,
        "You raised n3 to the slope. Raise n3 / n2 to it.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * n3 ** slope(n1, l1, n2, l2, n3, floor)
        ),
        "You raised n3 · n2 to the slope. Raise n3 / n2 to it.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n3 * n2) ** slope(n1, l1, n2, l2, n3, floor)
        ),
    }
    cases = [(1e4, 3.0, 1e6, 2.0, 1e8, 1.0), (1e5, 1.7, 4e5, 1.1, 3e6, 0.3), (2e5, 2.6, 1e6, 1.9, 7e6, 0.0)]
    return compare(answer, cases, lambda n1, loss1, n2, loss2, n3, floor: line(n1, loss1, n2, loss2, n3, floor), usual)


@exercise("16.3", "How long?")
def hours(answer: Callable[[float, float, float], Any]) -> str | None:
    """`answer(n_parameters, n_tokens, operations_per_second)` returns the hours that training takes."""

    def times(factor: float) -> Callable[[float, float, float], float]:
        return lambda n, t, s: factor * n * t / s

    usual: dict[str, Callable[[float, float, float], float] | tuple[Callable[[float, float, float], float], ...]] = {
        "These are seconds. Divide by 3,600.": times(6),
        "These are minutes. Divide by 60.": times(6 / 60),
        "These are days. Multiply by 24.": times(6 / 3600 / 24),
        "This is only the forward pass, 2N. The backward pass costs another 4N, which makes 6N.": times(2 / 3600),
        "This is only the backward pass, 4N. The forward pass costs another 2N, which makes 6N.": times(4 / 3600),
        "Each parameter costs 6 operations per token, not 1.": times(1 / 3600),
        "Each parameter costs 6 operations per token: 2 for the forward pass, 4 for the backward pass.": tuple(
            times(factor / 3600) for factor in (3, 5, 7, 8, 12)
        ),
        "You multiplied by 3,600. Divide by it.": times(6 * 3600),
        "An hour has 3,600 seconds.": tuple(times(6 / seconds) for seconds in (3599, 3601, 360, 7200)),
        "You divided by 6. Multiply by it.": times(1 / 6 / 3600),
        "You multiplied by the operations per second. Divide by them.": lambda n, t, s: 6 * n * t * s / 3600,
        "These are the operations. Divide by the operations per second, and by 3,600.": lambda n, t, s: 6 * n * t,
        "The operations per second are missing. Divide by them.": lambda n, t, s: 6 * n * t / 3600,
        "The tokens are missing. Multiply by their number.": lambda n, t, s: 6 * n / s / 3600,
        "The parameters are missing. Multiply by their number.": lambda n, t, s: 6 * t / s / 3600,
        "You divided by the tokens. Multiply by their number.": lambda n, t, s: 6 * n / t / s / 3600,
        "You divided by the parameters. Multiply by their number.": lambda n, t, s: 6 * t / n / s / 3600,
        "You added. Multiply 6, parameters, and tokens.": (
            lambda n, t, s: 6 * (n + t) / s / 3600,
            lambda n, t, s: (6 + n) * t / s / 3600,
            lambda n, t, s: (6 * n + t) / s / 3600,
        ),
        "You used the parameters twice. Multiply parameters and tokens.": lambda n, t, s: 6 * n * n / s / 3600,
        "You used the tokens twice. Multiply parameters and tokens.": lambda n, t, s: 6 * t * t / s / 3600,
        "This is 1 divided by the hours.": lambda n, t, s: s * 3600 / (6 * n * t),
    }
    cases = [(1e6, 1e9, 1e12), (124e6, 1e10, 4e14), (3e7, 2e9, 5e12)]
    return compare(
        answer,
        cases,
        lambda n_parameters, n_tokens, operations_per_second: (
            6 * n_parameters * n_tokens / operations_per_second / 3600
        ),
        usual,
    )
