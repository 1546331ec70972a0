"""The slowest and the dearest executions, beside what all took and cost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..record import ExecutionRecord
from ..rollups.measures import IS_PRICED, IS_TIMED, MICRO_SCALE, NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from .executions import executions_of
from .group_totals import check_limit, totals
from .sources.cube_rows import GroupTotals

_MEASURES: Final = ("timed", "duration_us", "priced", "cost_nano", "partial", "unpriced")


@dataclass(frozen=True, slots=True)
class Extremes:
    """The slowest and the dearest of some executions."""

    executions: int
    #: Those whose duration was measured, their median (within 1.5%) and their sum; None where there are none.
    timed: int
    p50_seconds: float | None
    seconds: float | None
    #: Those whose cost is known; those among them of which a part of it is not; those that could not be priced.
    priced: int
    partial: int
    unpriced: int
    #: The known cost, in US dollars; None where no cost was reported.
    cost_usd: float | None
    #: By measured duration, the longest first.
    slowest: tuple[ExecutionRecord, ...]
    #: By known cost, the highest first; those that cost nothing are left out.
    dearest: tuple[ExecutionRecord, ...]

    @property
    def unreported(self) -> int:
        """The number of executions without a reported cost."""
        return self.executions - self.priced - self.unpriced

    def __iter__(self) -> Iterator[ExecutionRecord]:
        """Yield the slowest, and those of the dearest that are not among them."""
        ids = {execution.execution_id for execution in self.slowest}
        yield from self.slowest
        yield from (execution for execution in self.dearest if execution.execution_id not in ids)


def extremes(database: Queryable, selection: Selection | None = None, limit: int = 10) -> Extremes:
    """Return the *limit* slowest executions by measured duration, and the dearest by known cost.

    Read from the executions themselves, which takes some seconds for each million.

    Args:
        database: the one to ask.
        selection: which executions; None: all.
        limit: how many of each at the most.

    Raises:
        ConfigurationError: for a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    check_limit(limit)
    chosen = selection or Selection()
    slowest = _most(database, chosen, "duration_seconds", IS_TIMED, limit)
    dearest = _most(database, chosen, "actual_cost", f"{IS_PRICED} AND actual_cost > 0", limit)
    records = executions_of(database, list({*slowest, *dearest}))
    none = GroupTotals(dict.fromkeys(("executions", *_MEASURES), 0.0), Counter())
    whole = totals(database, (), chosen, _MEASURES, with_durations=True).get((), none)
    return Extremes(
        executions=whole.count("executions"),
        timed=whole.count("timed"),
        p50_seconds=whole.quantile(0.5),
        seconds=whole.total("duration_us", MICRO_SCALE, "timed"),
        priced=whole.count("priced"),
        partial=whole.count("partial"),
        unpriced=whole.count("unpriced"),
        cost_usd=whole.total("cost_nano", NANO_SCALE, "priced"),
        slowest=tuple(records[each] for each in slowest if each in records),
        dearest=tuple(records[each] for each in dearest if each in records),
    )


def _most(database: Queryable, selection: Selection, column: str, known: str, limit: int) -> list[str]:
    condition, parameters = selection.condition()
    rows = database.query(
        f"SELECT execution_id FROM executions WHERE {known} AND {condition}"
        f" ORDER BY {column} DESC, execution_id DESC LIMIT :limit",
        {**parameters, "limit": limit},
    )
    return [row["execution_id"] for row in rows]
