"""Cube rows: the sums of groups of executions, how many of their values are in each bin, and the question for them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ...rollups import histograms
from ...rollups.measures import NANO_SCALE
from ...sqlite.selection import Selection

Group = tuple[str, ...]

#: In place of the names of groups that are shown together.
OTHERS: Final = "others"


class GroupTotals:
    """The sums of one group of executions, by the names in ``measures``, and how many values are in each bin.

    Args:
        sums: the sums.
        counts: how many values are in each bin, beside those of the histogram; None: none.
        histogram: bins and counts, as roll-ups have them. There are many groups whose quantiles are not asked for.
    """

    __slots__ = ("_counts", "_histogram", "_rest", "sums")

    def __init__(
        self, sums: Mapping[str, float], counts: Mapping[int, int] | None = None, histogram: bytes = b""
    ) -> None:
        self.sums = sums
        self._rest = counts or {}
        self._histogram = histogram
        self._counts: Counter[int] | None = None

    @property
    def counts(self) -> Mapping[int, int]:
        """How many values are in each bin."""
        if self._counts is None:
            self._counts = Counter(self._rest)
            histograms.add(self._histogram, self._counts)
        return self._counts

    def __eq__(self, other: object) -> bool:
        """Tell whether the sums and the counts of *other* are the same."""
        return isinstance(other, GroupTotals) and (self.sums, self.counts) == (other.sums, other.counts)

    def bins(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return bins, and how many values are in each; a bin may be there several times."""
        numbers, counts = histograms.pairs(self._histogram)
        return (*self._rest, *numbers), (*self._rest.values(), *counts)

    def count(self, name: str) -> int:
        """Return the measure *name*, which is a count."""
        return round(self.sums[name])

    def total(self, name: str, scale: float, of: str) -> float | None:
        """Return the measure *name* in its unit; None where the count *of* is 0."""
        return self.sums[name] / scale if self.sums[of] else None

    def mean(self, name: str, scale: float, of: str) -> float | None:
        """Return the mean of the measure *name*, *of* those that have a value; None where none has."""
        return self.sums[name] / scale / self.sums[of] if self.sums[of] else None

    def failures_cost(self) -> float | None:
        """Return the known cost of those that did not succeed, in US dollars; None where none of it is known.

        Needs the measures ``priced``, ``priced_succeeded``, ``succeeded`` and ``failure_nano``.
        """
        known = self.sums["priced"] - self.sums["priced_succeeded"]
        has_failures = self.sums["executions"] > self.sums["succeeded"]
        if not self.sums["priced"] or (has_failures and not known):
            return None
        return self.sums["failure_nano"] / NANO_SCALE

    def quantile(self, share: float) -> float | None:
        """Return the time in seconds that *share* of the executions do not exceed, within 1.5%."""
        return histograms.quantile(self.counts, share)


def merged(groups: Iterable[GroupTotals], names: Iterable[str]) -> GroupTotals:
    """Return the totals of all *groups* together; *names* are those of their measures."""
    groups = [*groups]
    columns = ("executions", *names)
    counts = Counter[int]()
    for group in groups:
        if own := group._rest if group._counts is None else group._counts:
            counts.update(own)
    histogram = b"".join([group._histogram for group in groups if group._counts is None])
    sums = {name: sum([group.sums[name] for group in groups], 0.0) for name in columns}
    return GroupTotals(sums, counts, histogram)


@dataclass(frozen=True, slots=True)
class LargestGroups:
    """The totals of the groups with the highest known cost, and those of the others together."""

    groups: Mapping[Group, GroupTotals]
    #: For each bucket of time that the groups have; their other names are :data:`OTHERS`.
    others: Mapping[Group, GroupTotals]
    #: How many groups the others are, buckets of time apart.
    merged: int


@dataclass(frozen=True, slots=True)
class CubeQuestion:
    """A question for the totals of each group of executions that has any."""

    #: Names of dimensions to group by; empty: one group, the empty tuple.
    by: tuple[str, ...]
    selection: Selection
    #: Names of measures, ``executions`` among them.
    measures: tuple[str, ...]
    #: What quantiles will be asked of; the time that tasks waited is in no cube.
    bins: Literal["durations", "waits"] | None = None
    #: How many groups have rows of their own, those that cost most; None: all. Needs the measure ``cost_nano``.
    limit: int | None = None
    #: What the first name of a group may be; None: anything.
    among: tuple[str, ...] | None = None
    #: False reads every execution, which takes longer and gives the same.
    with_cubes: bool = True

    def is_among(self, column: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
        """Return the condition of *among*, to append to another, and its parameters; *column*: dimension -> its SQL."""
        if self.among is None:
            return "", {}
        named = {f"among{number}": name for number, name in enumerate(self.among)}
        return f" AND {column(self.by[0])} IN ({', '.join(f':{name}' for name in named)})", named
