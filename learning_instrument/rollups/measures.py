"""Measures: the sums that reports need, as SQL over the columns of an execution. Roll-ups and raw rows share them.

Each measure is a sum of integers (nano-dollars, microseconds), so a sum is the same in any order, and an addend can be
subtracted again exactly.
"""

import functools
import re
from collections.abc import Sequence
from typing import Final

NANO_SCALE: Final = 1e9
MICRO_SCALE: Final = 1e6
QUALITY_SCALE: Final = 1e4
LOG_SCALE: Final = 1e5

#: The largest value (a million dollars, 31 years): larger ones are invalid, and would cost other addends their digits.
_MOST: Final = 1e15


def _is_reported(column: str) -> str:
    # JSON of our own writing: a column's name in quotes is nothing else.
    return f"instr(defaulted, '\"{column}\"') = 0"


def _whole(value: str, scale: float) -> str:
    most = _MOST / scale
    return f"CAST(round(max(-{most}, min({most}, {value})) * {scale}) AS INTEGER)"


def _where(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


#: Whether an execution counts as a success although nothing reported one.
IS_ASSUMED: Final = "(success AND outcome_source IS 'assumed')"
#: Whether an execution's duration is known.
IS_TIMED: Final = f"({_is_reported('duration_seconds')})"
#: Whether its complexity is known.
HAS_COMPLEXITY: Final = f"({_is_reported('complexity_score')})"
#: Whether an execution's cost is known, and whether it can be held against its estimate.
IS_PRICED: Final = f"({_is_reported('actual_cost')} AND actual_cost IS NOT NULL AND cost_source IS NOT 'unpriced')"
#: Whether that cost is a lower bound.
IS_PARTIAL: Final = f"({IS_PRICED} AND cost_source IS 'partial')"
#: An estimate says nothing of another estimate, nor does a lower bound.
IS_COMPARED: Final = (
    f"({IS_PRICED} AND {_is_reported('cost_estimate')} AND cost_estimate IS NOT NULL"
    " AND cost_source IS NOT 'estimated' AND cost_source IS NOT 'partial')"
)
#: Both costs above 0 as well, so that their ratio has a logarithm.
IS_SCALED: Final = f"({IS_COMPARED} AND actual_cost > 0 AND cost_estimate > 0)"

_FACTS: Final = {
    "is_timed": IS_TIMED,
    "is_priced": IS_PRICED,
    "is_compared": IS_COMPARED,
    # Before its start in the queue, and after it for its pool.
    "waited_seconds": _where(
        "queue_seconds IS NOT NULL OR wait_seconds IS NOT NULL",
        "coalesce(queue_seconds, 0.0) + coalesce(wait_seconds, 0.0)",
    ),
    "ratio": _where(IS_SCALED, "max(0.000001, min(10000000.0, actual_cost / cost_estimate))"),
}
_OFF: Final = "abs(actual_cost - cost_estimate)"
_LOW: Final = "FROM rollup_bins WHERE low <= {} ORDER BY low DESC LIMIT 1"
# SQLite need not have ln(): the logarithm of a bin's lower edge, and four terms of the series for the rest.
_REST: Final = "(ratio / low - 1)"
_LOG: Final = (
    f"(SELECT log + {_REST} * (1 - {_REST} * (0.5 - {_REST} * (1 / 3.0 - {_REST} / 4))) {_LOW.format('ratio')})"
)
#: Facts that are made of others.
_LATER_FACTS: Final = {"log": _where("ratio IS NOT NULL", _whole(_LOG, LOG_SCALE))}

#: The name of each measure, and its SQL for one execution; NULL adds nothing.
MEASURES: Final = {
    "executions": "1",
    "succeeded": "success",
    "assumed": IS_ASSUMED,
    "failed": "outcome = 'failed'",
    "errors": "outcome = 'error'",
    "timeouts": "outcome = 'timeout'",
    "cancelled": "outcome = 'cancelled'",
    "lost": "outcome = 'lost'",
    "timed": "is_timed",
    "duration_us": _where("is_timed", _whole("duration_seconds", MICRO_SCALE)),
    "queued": "queue_seconds IS NOT NULL",
    "queue_us": _whole("queue_seconds", MICRO_SCALE),
    "rated": "quality_score IS NOT NULL",
    "quality_e4": _whole("quality_score", QUALITY_SCALE),
    "priced": "is_priced",
    "partial": "is_priced AND cost_source IS 'partial'",
    "priced_succeeded": "is_priced AND success",
    "cost_nano": _where("is_priced", _whole("actual_cost", NANO_SCALE)),
    "failure_nano": _where("is_priced AND NOT success", _whole("actual_cost", NANO_SCALE)),
    "unpriced": "cost_source IS 'unpriced'",
    "counted": "input_tokens IS NOT NULL OR output_tokens IS NOT NULL",
    "input_tokens": _whole("input_tokens", 1.0),
    "output_tokens": _whole("output_tokens", 1.0),
    "compared": "is_compared",
    "estimate_nano": _where("is_compared", _whole("cost_estimate", NANO_SCALE)),
    "actual_nano": _where("is_compared", _whole("actual_cost", NANO_SCALE)),
    "off_nano": _where("is_compared", _whole(_OFF, NANO_SCALE)),
    "off_rated": "is_compared AND actual_cost > 0",
    "off_e6": _where("is_compared AND actual_cost > 0", _whole(f"{_OFF} / actual_cost", MICRO_SCALE)),
    "within_20": f"is_compared AND {_OFF} <= 0.2 * actual_cost",
    "scaled": "ratio IS NOT NULL",
    "log_e5": "log",
    "log2_e10": "log * log",
}

#: Those that are sums of values. The others are counts: an execution adds 0 or 1.
_VALUES: Final = (
    "duration_us", "queue_us", "quality_e4", "cost_nano", "failure_nano", "input_tokens", "output_tokens",
    "estimate_nano", "actual_nano", "off_nano", "off_e6", "log_e5", "log2_e10",
)  # fmt: skip
_COUNTS: Final = tuple(name for name in MEASURES if name not in _VALUES)
#: Several counts share an integer: so many bits each, and the most executions that may be summed up so.
_BITS: Final = 15
MOST_PACKED: Final = (1 << _BITS) - 1
_PACKED: Final = {f"packed{at // 4}": _COUNTS[at : at + 4] for at in range(0, len(_COUNTS), 4)}
#: The measures of one execution in fewer columns, name -> SQL over a row of :func:`source`: sorting moves less.
PACKED: Final = {
    **{
        packed: " + ".join(f"({MEASURES[name]} IS TRUE) * {1 << _BITS * at}" for at, name in enumerate(names))
        for packed, names in _PACKED.items()
    },
    **{name: MEASURES[name] for name in _VALUES},
}

#: Those that roll-ups do not have.
_OF_ROWS: Final = {"waited": "waited_seconds IS NOT NULL", "waited_us": _whole("waited_seconds", MICRO_SCALE)}
_ALL: Final = {**MEASURES, **_OF_ROWS}

#: The bin of an execution's duration.
BIN: Final = _where("is_timed", f"(SELECT bin {_LOW.format('duration_seconds')})")
#: The bin of the time that its task waited for it.
WAIT_BIN: Final = _where("waited_seconds IS NOT NULL", f"(SELECT bin {_LOW.format('waited_seconds')})")

#: The columns of an execution that measures, and the dimensions of roll-ups, are made of.
SOURCE_COLUMNS: Final = (
    "timestamp", "task_type", "model_tier", "pool_type", "repo", "success", "outcome", "duration_seconds",
    "queue_seconds", "quality_score", "cost_estimate", "actual_cost", "cost_source", "input_tokens",
    "output_tokens", "defaulted", "outcome_source",
)  # fmt: skip


def sum_measures(names: tuple[str, ...]) -> str:
    """Return the SQL of the sums of the measures *names* over the rows of :func:`source`, each under its name."""
    # total() does not overflow; a float is exact up to 2^53.
    return ", ".join(f"total({_ALL[name]}) AS {name}" for name in names)


@functools.lru_cache(maxsize=2)
def sum_packed(sign: int) -> str:
    """Return the SQL of the sums of all measures, in their order, over rows that have the columns :data:`PACKED`.

    Args:
        sign: 1, or -1 for what is to be subtracted.
    """
    counts = {
        name: f"{sign} * (sum({packed}) >> {_BITS * at} & {MOST_PACKED})"
        for packed, names in _PACKED.items()
        for at, name in enumerate(names)
    }
    return ", ".join(counts.get(name) or f"{sign} * total({name})" for name in MEASURES)


def source(
    table: str, condition: str, names: Sequence[str], keys: Sequence[str] = (), others: str | None = None
) -> str:
    """Return the SQL of the rows that measures are summed over: *table*, with the facts that these need.

    Args:
        table: ``executions``, or one that has its :data:`SOURCE_COLUMNS`.
        condition: the SQL after WHERE.
        names: the measures.
        keys: SQL over a row of *table*, which the rows have as ``key0``, ``key1``, ...
        others: further SQL over the rows: that of a bin.
    """
    needed = _words(*(_ALL[name] for name in names), others or "")
    later = {name: sql for name, sql in _LATER_FACTS.items() if name in needed}
    needed |= _words(*later.values())
    facts = {name: sql for name, sql in _FACTS.items() if name in needed}
    values = [f"{sql} AS key{number}" for number, sql in enumerate(keys)]
    values += [name for name in SOURCE_COLUMNS if name in needed]
    values += [f"{sql} AS {name}" for name, sql in facts.items()]
    # LIMIT -1 keeps SQLite from merging the queries: each fact would be worked out again for every measure.
    rows = f"(SELECT {', '.join(values) or '1'} FROM {table} WHERE {condition} LIMIT -1)"
    if not later:
        return rows
    return f"(SELECT *{''.join(f', {sql} AS {name}' for name, sql in later.items())} FROM {rows} LIMIT -1)"


def _words(*sql: str) -> set[str]:
    return {word for each in sql for word in re.findall(r"\w+", each)}
