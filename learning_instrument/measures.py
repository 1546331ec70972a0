"""What reports count, as SQL over the columns of an execution. Roll-ups and raw rows share these expressions.

Each measure is a sum of whole numbers (nano-dollars, microseconds), so that a sum is the same in any order, and
what was added can be taken out again to the last digit.
"""

from typing import Final

#: What executions are grouped and filtered by.
DIMENSIONS: Final = {
    "task_type": "task_type",
    "model_tier": "coalesce(model_tier, 'unknown')",
    "pool_type": "coalesce(pool_type, 'unknown')",
    "repo": "coalesce(repo, 'unknown')",
    "worker_id": "coalesce(worker_id, 'unknown')",
    "day": "substr(timestamp, 1, 10)",
    "hour": "substr(timestamp, 1, 13)",
}
#: Those that are parts of the time.
BUCKETS: Final = ("day", "hour")

NANO: Final = 1e9
MICRO: Final = 1e6
QUALITY_SCALE: Final = 1e4
LOG_SCALE: Final = 1e5

#: A number beyond it (a million dollars, 31 years) is nonsense, and would push its neighbours' digits out of their sum.
_MOST: Final = 1e15


def _is_reported(column: str) -> str:
    # JSON of our own writing: a column's name in quotes is nothing else.
    return f"instr(defaulted, '\"{column}\"') = 0"


def _whole(value: str, scale: float) -> str:
    most = _MOST / scale
    return f"CAST(round(max(-{most}, min({most}, {value})) * {scale}) AS INTEGER)"


def _where(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


TIMED: Final = f"({_is_reported('duration_seconds')})"
PRICED: Final = f"({_is_reported('actual_cost')} AND actual_cost IS NOT NULL AND cost_source IS NOT 'unpriced')"
#: An estimate says nothing of another estimate.
COMPARED: Final = (
    f"({PRICED} AND {_is_reported('cost_estimate')} AND cost_estimate IS NOT NULL AND cost_source IS NOT 'estimated')"
)
_RATED: Final = f"({COMPARED} AND actual_cost > 0)"
#: Both costs above 0, so that their ratio has a logarithm.
SCALED: Final = f"({COMPARED} AND actual_cost > 0 AND cost_estimate > 0)"
_OFF: Final = "abs(actual_cost - cost_estimate)"
# SQLite need not have ln(): the logarithm of a bin's lower edge, and four terms of the series for the rest.
_RATIO: Final = "max(0.000001, min(10000000.0, actual_cost / cost_estimate))"
_REST: Final = f"({_RATIO} / low - 1)"
_LOG: Final = (
    f"(SELECT log + {_REST} * (1 - {_REST} * (0.5 - {_REST} * (1 / 3.0 - {_REST} / 4)))"
    f" FROM rollup_bins WHERE low <= {_RATIO} ORDER BY low DESC LIMIT 1)"
)
_LOG_WHOLE: Final = _whole(_LOG, LOG_SCALE)

#: The name of each measure, and what one execution adds to it; NULL adds nothing.
MEASURES: Final = {
    "executions": "1",
    "succeeded": "success",
    "failed": "outcome = 'failed'",
    "errors": "outcome = 'error'",
    "timeouts": "outcome = 'timeout'",
    "cancelled": "outcome = 'cancelled'",
    "lost": "outcome = 'lost'",
    "timed": TIMED,
    "duration_us": _where(TIMED, _whole("duration_seconds", MICRO)),
    "queued": "queue_seconds IS NOT NULL",
    "queue_us": _whole("queue_seconds", MICRO),
    "rated": "quality_score IS NOT NULL",
    "quality_e4": _whole("quality_score", QUALITY_SCALE),
    "priced": PRICED,
    "priced_succeeded": f"{PRICED} AND success",
    "cost_nano": _where(PRICED, _whole("actual_cost", NANO)),
    "failure_nano": _where(f"{PRICED} AND NOT success", _whole("actual_cost", NANO)),
    "unpriced": "cost_source IS 'unpriced'",
    "counted": "input_tokens IS NOT NULL OR output_tokens IS NOT NULL",
    "input_tokens": _whole("input_tokens", 1.0),
    "output_tokens": _whole("output_tokens", 1.0),
    "compared": COMPARED,
    "estimate_nano": _where(COMPARED, _whole("cost_estimate", NANO)),
    "actual_nano": _where(COMPARED, _whole("actual_cost", NANO)),
    "off_nano": _where(COMPARED, _whole(_OFF, NANO)),
    "off_rated": _RATED,
    "off_e6": _where(_RATED, _whole(f"{_OFF} / actual_cost", MICRO)),
    "within_20": f"{COMPARED} AND {_OFF} <= 0.2 * actual_cost",
    "scaled": SCALED,
    "log_e5": _where(SCALED, _LOG_WHOLE),
    "log2_e10": _where(SCALED, f"{_LOG_WHOLE} * {_LOG_WHOLE}"),
}

#: The bin of an execution's duration.
BIN: Final = _where(TIMED, "(SELECT bin FROM rollup_bins WHERE low <= duration_seconds ORDER BY low DESC LIMIT 1)")


def totals(names: tuple[str, ...]) -> str:
    """Return the SQL of the sums of the measures *names* over rows, each under its name."""
    # total() does not overflow; a float is exact up to 2^53.
    return ", ".join(f"total({MEASURES[name]}) AS {name}" for name in names)
