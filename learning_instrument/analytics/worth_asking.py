"""The executions that a user's judgement would say most about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import ConfigurationError
from ..record import ExecutionRecord
from ..rollups.measures import IS_PRICED, IS_TIMED
from ..sqlite.selection import Queryable, Selection
from .executions import executions_of

Reason = Literal["failed", "long", "dear", "swarm", "uncertain"]

#: The newest executions of a selection that are looked at.
_LOOKED_AT: Final = 10_000
#: Under so many seconds a user has hardly waited for it.
_SHORT_SECONDS: Final = 10.0
_LONG_SECONDS: Final = 120.0
#: The share of the executions with a known cost that are dear, and the least number to tell.
_DEAR: Final = 0.05
_LEAST_PRICED: Final = 20
#: The routing confidence below which the choice of the model was uncertain.
_UNCERTAIN: Final = 0.7


@dataclass(frozen=True, slots=True)
class WorthAsking:
    """An execution without feedback, and why a judgement of it is worth asking for."""

    execution: ExecutionRecord
    reasons: tuple[Reason, ...]


def worth_asking(database: Queryable, selection: Selection | None = None, limit: int = 10) -> list[WorthAsking]:
    """Return executions without feedback that are worth asking a user about, those with the most reasons first.

    Reasons are that it failed, took more than 2 minutes, was among the dearest twentieth, used a swarm, or had its
    model chosen with a routing confidence below 0.7. One under 10 seconds has to be dear; cancelled and lost ones have
    no result to judge. Of several with as many reasons the newest come first.

    Args:
        database: the one to ask.
        selection: which executions; the newest 10,000 of them are looked at. By default all.
        limit: the most to return.

    Raises:
        ConfigurationError: for a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number of executions above 0.")
    condition, parameters = (selection or Selection()).condition()
    newest = database.query(
        f"SELECT execution_id, outcome, success, swarm_topology, CASE WHEN {IS_TIMED} THEN duration_seconds END AS"
        f" seconds, CASE WHEN {IS_PRICED} THEN actual_cost END AS cost, CASE WHEN"
        " instr(defaulted, '\"routing_confidence\"') = 0 THEN routing_confidence END AS confidence, user_accepted IS"
        " NULL AND user_rating IS NULL AND execution_id NOT IN (SELECT execution_id FROM feedback) AS is_open"
        f" FROM executions WHERE {condition}"
        f" ORDER BY timestamp DESC, rowid DESC LIMIT {_LOOKED_AT}",
        parameters,
    )
    dear = _least_of_the_dearest([row["cost"] for row in newest if row["cost"]])
    reasons = {
        row["execution_id"]: found
        for row in newest
        if row["is_open"] and row["outcome"] not in ("cancelled", "lost") and (found := _reasons(row, dear))
    }
    best = sorted(reasons, key=lambda execution_id: -len(reasons[execution_id]))[:limit]  # a stable sort
    executions = executions_of(database, best)
    return [WorthAsking(executions[each], reasons[each]) for each in best if each in executions]


def _least_of_the_dearest(costs: list[float]) -> float | None:
    if len(costs) < _LEAST_PRICED:
        return None
    dearest = sorted(costs, reverse=True)[: max(1, int(len(costs) * _DEAR))]
    return dearest[-1] if dearest[-1] > min(costs) else None


def _reasons(row: dict[str, Any], dear: float | None) -> tuple[Reason, ...]:
    seconds, is_dear = row["seconds"], dear is not None and row["cost"] is not None and row["cost"] >= dear
    if not is_dear and (seconds is None or seconds < _SHORT_SECONDS):
        return ()
    holds: Sequence[tuple[Reason, bool]] = (
        ("failed", not row["success"]),
        ("long", seconds is not None and seconds > _LONG_SECONDS),
        ("dear", is_dear),
        ("swarm", bool(row["swarm_topology"])),
        ("uncertain", row["confidence"] is not None and row["confidence"] < _UNCERTAIN),
    )
    return tuple(reason for reason, is_so in holds if is_so)
