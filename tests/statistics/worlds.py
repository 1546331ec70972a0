"""Worlds in which executions come: independent ones, and such as depend on one another by outages, retries and days."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from statistics import NormalDist
from typing import Final, NamedTuple

START: Final = datetime(2026, 9, 7, tzinfo=timezone.utc)
_DAY: Final = 86400.0
_NORMAL: Final = NormalDist()


class Execution(NamedTuple):
    """What a comparison reads of one execution."""

    started: datetime
    task_type: str
    model_tier: str
    complexity: float | None
    is_success: bool
    seconds: float
    dollars: float


class Luck(NamedTuple):
    """What chance adds to one execution."""

    #: It succeeds where this is below its chance of success.
    success: float
    #: Added to the logarithm of its duration, in standard deviations.
    duration: float
    #: Added to its chance of success, on the logit scale.
    logit: float = 0.0
    is_outage: bool = False


class Kind(NamedTuple):
    """The executions of one task type and tier."""

    weight: float
    chance: float
    median_seconds: float
    median_dollars: float


_ONE: Final = {("fix", "medium"): Kind(1.0, 0.9, 12.0, 0.02)}
_FOUR: Final = {
    ("fix", "medium"): Kind(4.0, 0.9, 12.0, 0.02),
    ("fix", "large"): Kind(2.0, 0.96, 30.0, 0.15),
    ("review", "small"): Kind(3.0, 0.85, 4.0, 0.002),
    ("review", "medium"): Kind(1.0, 0.93, 9.0, 0.02),
}
#: Of the logarithms.
_SPREAD: Final = 0.8

Lucks = Callable[[random.Random, Sequence[float]], list[Luck]]
"""Days since the start at which executions start, in order -> the luck of each."""


def independent(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    """Depend on nothing."""
    return [Luck(chance.random(), chance.gauss(0, 1)) for _ in days]


def _pareto(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    return [Luck(chance.random(), math.log(chance.paretovariate(1.1)) / _SPREAD) for _ in days]


def _heavy(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    """Draw logarithms of Student's t with 2 degrees of freedom, which have no variance."""
    return [Luck(chance.random(), chance.gauss(0, 1) / math.sqrt(chance.expovariate(1.0)) / _SPREAD) for _ in days]


def _bimodal(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    return [Luck(chance.random(), (3 * (chance.random() < 0.5) + chance.gauss(0, 0.3)) / _SPREAD) for _ in days]


def _outages(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    """Of all executions 3% fail in outages of 15 consecutive ones on average, within which each takes as long."""
    share, length = 0.03, 15
    is_out = chance.random() < share
    lucks: list[Luck] = []
    for luck in independent(chance, days):
        lucks.append(Luck(luck.success, 1.8 if is_out else luck.duration, is_outage=is_out))
        is_out = chance.random() >= 1 / length if is_out else chance.random() < share / length / (1 - share)
    return lucks


def _series(chance: random.Random, count: int, rho: float = 0.9) -> list[float]:
    values = [chance.gauss(0, 1)]
    while len(values) < count:
        values.append(rho * values[-1] + math.sqrt(1 - rho * rho) * chance.gauss(0, 1))
    return values


def _autocorrelated(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    successes, durations = _series(chance, len(days)), _series(chance, len(days))
    return [Luck(_NORMAL.cdf(a), b) for a, b in zip(successes, durations, strict=True)]


def _by_day(chance: random.Random, days: Sequence[float], of_duration: float = 0.0) -> list[Luck]:
    effects = {day: (chance.gauss(0, 0.3), chance.gauss(0, of_duration)) for day in sorted({int(day) for day in days})}
    return [
        Luck(chance.random(), chance.gauss(0, 1) + effects[int(day)][1] / _SPREAD, effects[int(day)][0]) for day in days
    ]


def _by_day_in_all(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    return _by_day(chance, days, 0.3)


def _diurnal(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    waves = [math.sin(2 * math.pi * day) for day in days]
    return [Luck(chance.random(), chance.gauss(0, 1) + wave / 2, 0.8 * wave) for wave in waves]


def _retries(chance: random.Random, days: Sequence[float]) -> list[Luck]:
    """Of the tasks 3% fail at first, and so do their retries, every second of the next eight executions."""
    lucks = independent(chance, days)
    for first in range(len(days)):
        if chance.random() < 0.03:
            for again in range(first, min(first + 8, len(days)), 2):
                if chance.random() < 0.8:
                    lucks[again] = lucks[again]._replace(is_outage=True)
    return lucks


@dataclass(frozen=True, slots=True)
class World:
    """A world, and how many executions each side has there.

    Args:
        name: of the row of a table.
        lucks: how its executions depend on one another.
        before: executions of one side.
        after: and of the other.
        days: of each side.
        kinds: of executions.
        complexity: complexity of a task, -> mean on each side; None: it is not reported.
    """

    name: str
    lucks: Lucks = independent
    before: int = 300
    after: int = 300
    days: int = 7
    kinds: Mapping[tuple[str, str], Kind] = field(default_factory=lambda: _ONE)
    complexity: tuple[float, float] | None = None

    def pair(self, chance: random.Random, falls_by: float = 0.0) -> list[Execution]:
        """Return the executions of both sides, one after the other.

        Args:
            chance: of all that it draws.
            falls_by: how much less likely success is after.
        """
        before = self._side(chance, 0, falls_by)
        return before + self._side(chance, 1, falls_by)

    @property
    def end_of_before(self) -> datetime:
        """The moment between the sides."""
        return START + timedelta(days=self.days)

    def _side(self, chance: random.Random, index: int, falls_by: float) -> list[Execution]:
        count = (self.before, self.after)[index]
        days = sorted((index + chance.random()) * self.days for _ in range(count))
        names = chance.choices(list(self.kinds), [kind.weight for kind in self.kinds.values()], k=count)
        made: list[Execution] = []
        for day, name, luck in zip(days, names, self.lucks(chance, days), strict=True):
            kind = self.kinds[name]
            odds = math.log(kind.chance / (1 - kind.chance)) + luck.logit
            complexity = None
            if self.complexity is not None:
                complexity = min(100.0, max(0.0, chance.gauss(self.complexity[index], 15)))
                odds -= (complexity - 50) / 20
            likely = 1 / (1 + math.exp(-odds)) - falls_by * index
            is_success = luck.success < likely and not luck.is_outage
            seconds = kind.median_seconds * math.exp(_SPREAD * luck.duration) * (1 if is_success else 0.7)
            dollars = kind.median_dollars * chance.lognormvariate(0, 1) * (1 if is_success else 0.8)
            started = START + timedelta(seconds=day * _DAY)
            made.append(Execution(started, *name, complexity, is_success, seconds, dollars))
        return made


WORLDS: Final = (
    World("independent, one task type and tier"),
    World("independent, four of them", kinds=_FOUR),
    World("1,000 against 60", before=1000, after=60),
    World("1,000 against 60, four", before=1000, after=60, kinds=_FOUR),
    World("durations Pareto(1.1)", _pareto),
    World("durations exp(t with 2 df)", _heavy),
    World("durations bimodal", _bimodal),
    World("outages", _outages),
    World("outages, long", _outages, before=2000, after=2000),
    World("outages, four task types and tiers", _outages, kinds=_FOUR),
    World("autocorrelated, 0.9", _autocorrelated),
    World("autocorrelated, long", _autocorrelated, before=2000, after=2000),
    World("autocorrelated, four task types and tiers", _autocorrelated, kinds=_FOUR),
    World("retries", _retries),
    World("diurnal success and duration", _diurnal),
    World("success differs by day", _by_day),
    World("success differs by day, long", _by_day, before=3000, after=3000),
    World("success and duration differ by day, long", _by_day_in_all, before=3000, after=3000),
    World("the same, 2 days a side", _by_day_in_all, before=3000, after=3000, days=2),
    World("complexity known, the same", complexity=(50, 50)),
)
HARDER: Final = (
    World("harder tasks: mean complexity 40, then 65", complexity=(40, 65)),
    World("harder tasks, long", before=3000, after=3000, complexity=(40, 65)),
    World("harder tasks, four task types and tiers", complexity=(40, 65), kinds=_FOUR),
)
