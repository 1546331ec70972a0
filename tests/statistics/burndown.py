"""How often the 80% band of a run-out date holds the true one, in worlds that spend in different ways.

A runway of 20 days is what a world spends in 20 days on average; the date is the moment within the day in which the
simulated spend reaches it.
"""

import math
import random
from collections.abc import Callable
from itertools import accumulate
from typing import Final, NamedTuple

from learning_instrument.analytics.spend_forecast import SpendForecast

#: Days that a budget may last in a simulation.
_AHEAD: Final = 400
HISTORIES: Final = (5, 28, 56)
RUNWAYS: Final = (20, 5)

_World = Callable[[random.Random, range], list[float]]
"""Returns the spend of each day; day 0 is today. The mean of day 0 is 1."""


class Row(NamedTuple):
    """One world, with so many days of history and of runway."""

    world: str
    history_days: int
    runway_days: int
    #: Of the rounds: the share in which the days are enough for a band.
    with_band: float
    #: Of those: the share whose band holds the true date, and those in which it is earlier or later. None: no band.
    covered: float | None
    earlier: float | None
    later: float | None


def _gamma(chance: random.Random, mean: float = 1.0) -> float:
    return mean * chance.gammavariate(2, 0.5)


def _independent(chance: random.Random, days: range) -> list[float]:
    return [_gamma(chance) for _ in days]


def _heavy(chance: random.Random, days: range) -> list[float]:
    return [chance.lognormvariate(-1.125, 1.5) for _ in days]


def _no_weekends(chance: random.Random, days: range) -> list[float]:
    start = chance.randrange(7)
    return [_gamma(chance, 7 / 5) if (start + day) % 7 < 5 else 0.0 for day in days]


def _autocorrelated(chance: random.Random, days: range) -> list[float]:
    state, spend, rho = chance.gauss(0, 1), [], 0.7
    for _ in days:
        state = rho * state + chance.gauss(0, math.sqrt(1 - rho * rho))
        spend.append(math.exp(0.7 * state - 0.245))
    return spend


def _growing(chance: random.Random, days: range) -> list[float]:
    return [_gamma(chance, 1.02**day) for day in days]


def _shrinking(chance: random.Random, days: range) -> list[float]:
    return [_gamma(chance, 0.98**day) for day in days]


def _doubled(chance: random.Random, days: range) -> list[float]:
    return [_gamma(chance, 0.5 if day < -14 else 1.0) for day in days]


def _bursts(chance: random.Random, days: range) -> list[float]:
    return [_gamma(chance, 4.0) if chance.random() < 0.25 else 0.0 for _ in days]


def _month_starts(chance: random.Random, days: range) -> list[float]:
    start = chance.randrange(30)
    return [_gamma(chance, 30.0) if (start + day) % 30 == 0 else 0.0 for day in days]


WORLDS: Final[dict[str, _World]] = {
    "gamma, independent days": _independent,
    "log-normal, heavy (sigma 1.5)": _heavy,
    "no spend at weekends": _no_weekends,
    "AR(1), 0.7": _autocorrelated,
    "+2% a day": _growing,
    "-2% a day": _shrinking,
    "doubled two weeks ago": _doubled,
    "bursts, one day of four": _bursts,
    "month starts only": _month_starts,
}


def measure(rounds: int = 1000, seed: int = 11) -> list[Row]:
    """Return a row for each world, history and runway."""
    return [
        _measure(world, history, runway, rounds, seed)
        for world in WORLDS
        for history in HISTORIES
        for runway in RUNWAYS
    ]


def _measure(world: str, history: int, runway: int, rounds: int, seed: int) -> Row:
    chance = random.Random(seed)
    growth = {"+2% a day": 1.02, "-2% a day": 0.98}.get(world, 1.0)
    left = sum(growth**day for day in range(runway))
    bands = early = late = 0
    for _ in range(rounds):
        spend = WORLDS[world](chance, range(-history, _AHEAD))
        forecast = SpendForecast.of(spend[:history])
        if not forecast.days:
            continue
        bands += 1
        happened = _days_until(left, spend[history:])
        earliest, _, latest = forecast.run_out(left, 0.0, _AHEAD)
        early += happened < (math.inf if earliest is None else earliest)
        late += happened > (math.inf if latest is None else latest)
    shares = [1 - (early + late) / bands, early / bands, late / bands] if bands else [None, None, None]
    return Row(world, history, runway, bands / rounds, *shares)


def _days_until(left: float, spend: list[float]) -> float:
    before = 0.0
    for day, total in enumerate(accumulate(spend)):
        if total >= left:
            return day + (left - before) / (total - before)
        before = total
    return math.inf
