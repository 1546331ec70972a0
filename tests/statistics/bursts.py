"""How often ``watch`` tells of a burst of failures: where there is none, and of outages."""

from typing import Final, NamedTuple

import numpy

from learning_instrument.analytics.bursts import FEWEST, WINDOW, burst_of

_MINUTES: Final = 24 * 60
_WINDOW: Final = int(WINDOW.total_seconds()) // 60
#: Executions a minute.
_PACES: Final = (1, 10, 60)
#: The share that fails.
_SHARES: Final = (0.01, 0.1, 0.5)
#: Of executions in one outage, and of the others in its world.
_OUTAGE: Final = 15
_OUTAGE_SHARE: Final = 0.03


class Row(NamedTuple):
    """One world."""

    world: str
    pace: int
    #: Days on which a burst is told, with one look a minute.
    told: float


def measure(days: int) -> list[Row]:
    """Return a row for each world, of so many days each."""
    chance = numpy.random.default_rng(11)
    minutes = numpy.arange((days + 1) * _MINUTES)
    rows: list[Row] = []
    for pace in _PACES:
        steady = chance.poisson(pace, len(minutes))
        rows += [
            Row(f"independent, {share:.0%} fail", pace, _told(steady, chance.binomial(steady, share)))
            for share in _SHARES
        ]
        by_day = chance.poisson(pace * (1 + 0.9 * numpy.sin(2 * numpy.pi * minutes / _MINUTES)))
        rows.append(Row("load differs by the hour, 10% fail", pace, _told(by_day, chance.binomial(by_day, 0.1))))
        shares = 1 / (1 + numpy.exp(numpy.log(9) + chance.normal(0, 0.3, days + 1)))
        failed = chance.binomial(steady, numpy.repeat(shares, _MINUTES))
        rows.append(Row("share differs by day, 10% fail", pace, _told(steady, failed)))
    steady = chance.poisson(1, len(minutes))
    rows.append(Row(f"an outage of about {_OUTAGE} a day", 1, _told(steady, _with_outages(chance, steady, days))))
    return rows


def _with_outages(chance: numpy.random.Generator, executions: numpy.ndarray, days: int) -> numpy.ndarray:
    """Return the failures: those of each day, and one outage on each but the first, at noon."""
    failed = chance.binomial(executions, _OUTAGE_SHARE)
    for day in range(1, days + 1):
        left, minute = chance.geometric(1 / _OUTAGE), day * _MINUTES + _MINUTES // 2
        while left > 0:
            struck = min(left, executions[minute])
            failed[minute] = max(failed[minute], struck)
            left -= struck
            minute += 1
    return failed


def _told(executions: numpy.ndarray, failed: numpy.ndarray) -> float:
    """Return the share of the days, but the first, on which a burst is told."""
    sums = [numpy.concatenate(([0], numpy.cumsum(counts))) for counts in (failed, executions)]
    ends = numpy.arange(_MINUTES, len(executions)) + 1
    starts = (ends - _MINUTES) // 60 * 60  # roll-ups have whole hours
    recent = [of_all[ends] - of_all[ends - _WINDOW] for of_all in sums]
    before = [of_all[ends - _WINDOW] - of_all[starts] for of_all in sums]
    looks = numpy.flatnonzero(recent[0] >= FEWEST)
    days = {int(look) // _MINUTES for look in looks if burst_of(*(int(counts[look]) for counts in (*recent, *before)))}
    return len(days) * _MINUTES / len(ends)
