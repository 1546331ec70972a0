"""How far a fleet is: its schema, back-fill and refresh."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from . import arrivals, hours
from .client import Client
from .schema import BACKFILL, FILLED_IN, check, has_json, read_state

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """How far a fleet is."""

    #: The version of the schema, and the release that made it.
    schema: int
    release: str
    #: How the Collector's table has attributes: ``map`` or ``json``.
    attributes: str
    #: Whether all spans that were there before are filled in.
    is_filled_in: bool
    executions: int
    model_calls: int
    #: About how many traces arrived since, whose costs and masked messages are not worked out yet.
    waiting_traces: int
    #: Hours that changed since they were rolled up: answers read their executions.
    waiting_hours: int
    #: When refresh ended last; None: never.
    refreshed: datetime | None


def status(client: Client) -> FleetStatus:
    """Return how far the fleet is.

    Raises:
        DatabaseError: if it cannot be read, or was not made.
    """
    check(client)
    state = read_state(client)
    (counts,) = client.rows(
        "SELECT (SELECT count() FROM executions) AS executions, (SELECT count() FROM model_calls) AS model_calls"
    )
    return FleetStatus(
        schema=int(state["schema"]),
        release=state["release"],
        attributes="json" if has_json(client) else "map",
        is_filled_in=state.get(BACKFILL) == FILLED_IN,
        waiting_traces=arrivals.waiting(client),
        waiting_hours=hours.waiting(client),
        refreshed=_EPOCH + timedelta(microseconds=int(ended)) if (ended := state.get(arrivals.REFRESHED)) else None,
        **counts,
    )
