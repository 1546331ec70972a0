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
    # Calls of functions take most of the time: they are for negative and absurd values.
    return (
        f"CASE WHEN {value} BETWEEN 0 AND {most} THEN CAST({value} * {scale} + 0.5 AS INTEGER) WHEN {value} IS NOT NULL"
        f" THEN CAST(round(max(-{most}, min({most}, {value})) * {scale}) AS INTEGER) END"
    )


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
#: A known cost in nano-dollars: whole, so that a sum is the same in any order.
COST_NANO: Final = _where(IS_PRICED, _whole("actual_cost", NANO_SCALE))
#: An estimate says nothing of another estimate, nor does a lower bound.
_IS_COMPARABLE: Final = (
    f"({_is_reported('cost_estimate')} AND cost_estimate IS NOT NULL"
    " AND cost_source IS NOT 'estimated' AND cost_source IS NOT 'partial')"
)
#: Both costs above 0 as well, so that their ratio has a logarithm.
IS_SCALED: Final = f"({IS_PRICED} AND {_IS_COMPARABLE} AND actual_cost > 0 AND cost_estimate > 0)"

#: Several counts share an integer: so many bits each, and the most executions that may be summed up so.
_BITS: Final = 15
MOST_PACKED: Final = (1 << _BITS) - 1
#: Counts of which an execution adds to one at most, with its outcome.
_ENDINGS: Final = {"failed": "failed", "errors": "error", "timeouts": "timeout", "cancelled": "cancelled"}
#: Counts with their conditions, each of which holds only where those before it hold.
_PRICINGS: Final = {
    "priced": IS_PRICED, "compared": _IS_COMPARABLE, "off_rated": "actual_cost > 0", "scaled": "cost_estimate > 0",
}  # fmt: skip


def _ending() -> str:
    """Return the SQL of those of :data:`_ENDINGS` that an execution adds to, packed."""
    endings = "".join(f" WHEN '{outcome}' THEN {1 << _BITS * at}" for at, outcome in enumerate(_ENDINGS.values()))
    return f"CASE outcome WHEN 'succeeded' THEN 0{endings} ELSE 0 END"


def _pricing() -> str:
    """Return the SQL of those of :data:`_PRICINGS` that an execution adds to, packed."""
    added = [sum(1 << _BITS * at for at in range(held)) for held in range(len(_PRICINGS) + 1)]
    sql = str(added.pop())
    for condition in reversed(_PRICINGS.values()):
        sql = f"CASE WHEN {condition} THEN {sql} ELSE {added.pop()} END"
    return sql


def _is_at_least(pricing: str) -> str:
    """Return whether an execution adds to the count *pricing*, and so to those before it."""
    return f"pricing >= {1 << _BITS * list(_PRICINGS).index(pricing)}"


_IS_PRICED: Final = _is_at_least("priced")
_IS_COMPARED: Final = _is_at_least("compared")
_IS_OFF_RATED: Final = _is_at_least("off_rated")
_IS_SCALED: Final = _is_at_least("scaled")

#: What measures are made of: numbers, for texts take long to copy.
_FACTS: Final = {
    "ending": _ending(),
    "pricing": _pricing(),
    "is_assumed": IS_ASSUMED,
    "is_lost": "outcome = 'lost'",
    "is_timed": IS_TIMED,
    "is_partial": "cost_source IS 'partial'",
    "is_unpriced": "cost_source IS 'unpriced'",
    "cost": _whole("actual_cost", NANO_SCALE),
    "off": "abs(actual_cost - cost_estimate)",
    "ratio": _where(
        "actual_cost > 0 AND cost_estimate > 0", "max(0.000001, min(10000000.0, actual_cost / cost_estimate))"
    ),
    # Before its start in the queue, and after it for its pool.
    "waited_seconds": _where(
        "queue_seconds IS NOT NULL OR wait_seconds IS NOT NULL",
        "coalesce(queue_seconds, 0.0) + coalesce(wait_seconds, 0.0)",
    ),
}
_LOW: Final = "FROM rollup_bins WHERE low <= {} ORDER BY low DESC LIMIT 1"
# SQLite need not have ln(): the logarithm of a bin's lower edge, and four terms of the series for the rest.
_LOG: Final = "log + rest * (1 - rest * (0.5 - rest * (1 / 3.0 - rest / 4)))"
_LOG_E5: Final = _where(
    _IS_SCALED,
    f"(SELECT CAST(round(({_LOG}) * {LOG_SCALE}) AS INTEGER)"
    f" FROM (SELECT log, ratio / low - 1 AS rest {_LOW.format('ratio')}))",
)

#: The name of each measure, and its SQL for one execution; NULL adds nothing.
MEASURES: Final = {
    "executions": "1",
    "succeeded": "success",
    "assumed": "is_assumed",
    **{name: f"ending = {1 << _BITS * at}" for at, name in enumerate(_ENDINGS)},
    "lost": "is_lost",
    "retries": "attempt > 1",
    "timed": "is_timed",
    "duration_us": _where("is_timed", _whole("duration_seconds", MICRO_SCALE)),
    "queued": "queue_seconds IS NOT NULL",
    "queue_us": _whole("queue_seconds", MICRO_SCALE),
    "rated": "quality_score IS NOT NULL",
    "quality_e4": _whole("quality_score", QUALITY_SCALE),
    **{name: _is_at_least(name) for name in _PRICINGS},
    "partial": f"is_partial AND {_IS_PRICED}",
    "priced_succeeded": f"success AND {_IS_PRICED}",
    "cost_nano": _where(_IS_PRICED, "cost"),
    "failure_nano": _where(f"{_IS_PRICED} AND NOT success", "cost"),
    "unpriced": "is_unpriced",
    "counted": "input_tokens IS NOT NULL OR output_tokens IS NOT NULL",
    "input_tokens": _whole("input_tokens", 1.0),
    "output_tokens": _whole("output_tokens", 1.0),
    "estimate_nano": _where(_IS_COMPARED, _whole("cost_estimate", NANO_SCALE)),
    "actual_nano": _where(_IS_COMPARED, "cost"),
    "off_nano": _where(_IS_COMPARED, _whole("off", NANO_SCALE)),
    "off_e6": _where(_IS_OFF_RATED, _whole("off / actual_cost", MICRO_SCALE)),
    "within_20": f"{_IS_COMPARED} AND off <= 0.2 * actual_cost",
    "log_e5": _LOG_E5,
    "log2_e10": f"{_LOG_E5} * {_LOG_E5}",
}

#: Those that are sums of values. The others are counts: an execution adds 0 or 1.
_VALUES: Final = (
    "duration_us", "queue_us", "quality_e4", "cost_nano", "failure_nano", "input_tokens", "output_tokens",
    "estimate_nano", "actual_nano", "off_nano", "off_e6", "log_e5", "log2_e10",
)  # fmt: skip
_OTHER_COUNTS: Final = tuple(name for name in MEASURES if name not in (*_VALUES, *_ENDINGS, *_PRICINGS))
_PACKED: Final = {
    "ending": tuple(_ENDINGS),
    "pricing": tuple(_PRICINGS),
    **{f"packed{at // 4}": _OTHER_COUNTS[at : at + 4] for at in range(0, len(_OTHER_COUNTS), 4)},
}
#: The measures of one execution in fewer columns, name -> SQL over a row of :func:`source`: sorting moves less.
PACKED: Final = {
    **{
        packed: packed
        if packed in _FACTS
        else " + ".join(f"({MEASURES[name]} IS TRUE) * {1 << _BITS * at}" for at, name in enumerate(names))
        for packed, names in _PACKED.items()
    },
    **{name: MEASURES[name] for name in _VALUES if name != "log2_e10"},  # that one is made of log_e5
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
    "output_tokens", "defaulted", "outcome_source", "function_name", "attempt",
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
    values = {"log2_e10": "log_e5 * log_e5"}
    return ", ".join(counts.get(name) or f"{sign} * total({values.get(name, name)})" for name in MEASURES)


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
    facts = {name: sql for name, sql in _FACTS.items() if name in needed}
    values = [f"{sql} AS key{number}" for number, sql in enumerate(keys)]
    values += [name for name in SOURCE_COLUMNS if name in needed]
    values += [f"{sql} AS {name}" for name, sql in facts.items()]
    # LIMIT -1 keeps SQLite from merging the queries: each fact would be worked out again for every measure.
    return f"(SELECT {', '.join(values) or '1'} FROM {table} WHERE {condition} LIMIT -1)"


def _words(*sql: str) -> set[str]:
    return {word for each in sql for word in re.findall(r"\w+", each)}
