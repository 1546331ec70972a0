"""Brings a fleet up to date: costs of executions by their model calls, masked messages of failures, roll-ups of hours.

By slices from a mark: each is whole before the mark moves on, and may be repeated. So an interrupted refresh loses
nothing, and two at once do the same work twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..costs.prices import prices_of
from . import hours
from .client import Client
from .schema import check, has_json, read_state, write_state
from .scratch import Scratch
from .status import REFRESH
from .trace_costs import Arrival, arrived, work_out

#: How long after its arrival a span may take until all see it.
GRACE_SECONDS: Final = 60.0
#: Traces in a slice.
_TRACES: Final = 500


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did."""

    #: Traces that were looked at, and the executions and the model calls written.
    traces: int = 0
    executions: int = 0
    calls: int = 0
    #: Hours that were rolled up.
    hours: int = 0


def refresh(
    client: Client,
    grace_seconds: float = GRACE_SECONDS,
    prices: Mapping[str, Any] | None = None,
    progress: Callable[[Refreshed], object] | None = None,
) -> Refreshed:
    """Work out what arrived since the last refresh, and roll up the hours that changed.

    Args:
        client: the fleet.
        grace_seconds: what is younger is left for the next refresh.
        prices: as in :func:`learning_instrument.configure`; by default those of the environment.
        progress: called between slices with what is done.

    Raises:
        ConfigurationError: for invalid prices.
        DatabaseError: if the fleet cannot be read or written.
    """
    check(client)
    done = Refreshed()
    is_json = has_json(client)
    scratch = Scratch(prices_of(prices))
    ((until,),) = [
        row.values()
        for row in client.rows(f"SELECT toUnixTimestamp64Micro(now64(6)) - {int(grace_seconds * 1e6)} AS until")
    ]
    moment, first, trace_id = read_state(client).get(REFRESH, "0 0 ").split(" ")
    mark = Arrival(int(moment), int(first), trace_id)
    try:
        while found := arrived(client, mark, until, _TRACES):
            changed = work_out(client, scratch, [each.trace_id for each in found], is_json)
            mark = found[-1]
            write_state(client, **{REFRESH: " ".join(map(str, mark))})
            done = Refreshed(done.traces + len(found), done.executions + changed.executions, done.calls + changed.calls)
            if progress is not None:
                progress(done)
    finally:
        scratch.close()
    hours.count_again(client)
    while rolled_up := hours.roll_up(client, grace_seconds):
        done = replace(done, hours=done.hours + rolled_up)
        if progress is not None:
            progress(done)
    hours.delete_stale(client)
    return done
