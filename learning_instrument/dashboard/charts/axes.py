"""Axes of charts: which numbers are drawn, where, and what is written beside them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["share", "quality", "dollars", "seconds", "count"]
"""What the numbers of an axis are."""

#: Across a plot, whatever its width on the screen.
ACROSS: Final = 1000
#: Numbers beyond these are drawn at these: sums of them, and their steps, stay finite.
_MOST: Final = 1e300
_LEAST: Final = 1e-6
_ROUND: Final = (1, 2, 5)
_IN_SECONDS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
#: Steps of whole minutes and hours; less than a minute, and more than a day, is decimal.
_CLOCK_STEPS: Final = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 18000.0, 36000.0)


def known(value: float | None) -> float | None:
    """Return a number that can be drawn; None for what is none."""
    if value is None or not math.isfinite(value):
        return None
    return max(-_MOST, min(_MOST, float(value)))


def known_share(value: float | None) -> float | None:
    """Return a share of 1; None for what is none."""
    found = known(value)
    return found if found is not None and 0 <= found <= 1 else None


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from *first* to *last*; a plot has it from 0 to *length*."""

    first: float
    last: float
    length: float
    ticks: tuple[tuple[float, str], ...]
    is_logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return the place of *value*; of one outside, that of the nearer end."""
        inside = max(self.first, min(self.last, value))
        if self.is_logarithmic:
            first = math.log10(self.first)
            part = (math.log10(inside) - first) / (math.log10(self.last) - first)
        else:
            part = (inside - self.first) / (self.last - self.first)
        return part * self.length

    def up(self, value: float) -> float:
        """Return the place of *value* on an axis whose first is at the bottom."""
        return self.length - self.at(value)


def from_zero(most: float, unit: Unit, length: float, steps: int) -> Axis:
    """Return an axis from 0 to a round number at or above *most*, of at most so many round *steps*.

    An axis of shares always ends at 100%, and one of quality at 100.
    """
    if unit == "quality":
        return Axis(0.0, 100.0, length, tuple((tick, f"{tick:.0f}") for tick in _multiples(100 / steps, 100.0)))
    if unit == "share":
        step = 1 / steps if steps < 5 else 0.2
        return Axis(0.0, 1.0, length, tuple((tick, f"{tick:.0%}") for tick in _multiples(step, 1.0)))
    least = 1.0 if unit == "count" else _LEAST
    top = max(least, min(_MOST, most))
    step = max(least, _step(top / steps, unit))
    ticks = _multiples(step, top)
    written = _writer(unit, step)
    return Axis(0.0, ticks[-1], length, tuple((tick, written(tick)) for tick in ticks))


def logarithmic(least: float, most: float, length: float, labels: int) -> Axis:
    """Return an axis of seconds between the powers of ten around *least* and *most*, with at most so many *labels*."""
    first = math.floor(math.log10(max(_LEAST, min(_MOST, least))))
    last = max(first + 1, math.ceil(math.log10(max(_LEAST, min(_MOST, most)))))
    every = -(-(last - first) // (labels - 1))
    powers = range(first, last + 1, every)
    return Axis(10.0**first, 10.0**last, length, tuple((10.0**power, _power(power)) for power in powers), True)


def _step(least: float, unit: Unit) -> float:
    """Return the smallest round step of at least *least*."""
    if unit == "seconds" and 30 < least <= _CLOCK_STEPS[-1]:
        return next(step for step in _CLOCK_STEPS if step >= least)
    base = 86400.0 if unit == "seconds" and least > _CLOCK_STEPS[-1] else 1.0
    power = 10.0 ** math.floor(math.log10(least / base)) * base
    return next(step for factor in (*_ROUND, 10) if (step := factor * power) >= least * (1 - 1e-9))


def _multiples(step: float, top: float) -> tuple[float, ...]:
    return tuple(number * step for number in range(math.ceil(top / step - 1e-9) + 1))


def _writer(unit: Unit, step: float) -> Callable[[float], str]:
    """Return what writes the ticks of an axis, all in one unit and with as many digits as their step needs."""
    if unit == "seconds":
        size, name = next(((size, name) for size, name in _IN_SECONDS if step >= size * (1 - 1e-9)), _IN_SECONDS[-1])
        return lambda tick: "0" if tick == 0 else f"{tick / size:.6g} {name}"
    sign = "$" if unit == "dollars" else ""
    for size, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size <= step < size * 1e3:
            return lambda tick: f"{sign}0" if tick == 0 else f"{sign}{tick / size:,.6g}{name}"
    if step >= 1e12:
        return lambda tick: f"{sign}0" if tick == 0 else f"{sign}{tick:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if unit == "dollars" and digits == 1:
        digits = 2
    return lambda tick: f"{sign}0" if tick == 0 else f"{sign}{tick:,.{digits}f}"


def _power(power: int) -> str:
    """Return a power of ten seconds."""
    if power >= 5:
        return f"1e{power} s"
    size, name = next(((size, name) for size, name in _IN_SECONDS[3:] if 10.0**power >= size * 0.99), _IN_SECONDS[-1])
    return f"{10.0**power / size:,.6g} {name}"
