"""Brings a fleet up to date: costs of executions by their model calls, masked messages of failures, roll-ups of hours.

By slices from a mark: each is whole before the mark moves on, and may be repeated. So an interrupted refresh loses
nothing, and two at once do the same work twice.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from . import hours
from .arrivals import REFRESH, REFRESHED, Arrival, arrived, reached
from .client import Client
from .schema import check, write_state
from .trace_costs import Changed
from .workers import Start, in_processes, in_this_process

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
    processes: int = 1,
) -> Refreshed:
    """Work out what arrived since the last refresh, and roll up the hours that changed.

    Args:
        client: the fleet.
        grace_seconds: what is younger is left for the next refresh.
        prices: as in :func:`learning_instrument.configure`; by default those of the environment.
        progress: called between slices with what is done.
        processes: that work out slices side by side.

    Raises:
        ConfigurationError: for invalid prices, and for several processes of chdb.
        DatabaseError: if the fleet cannot be read or written.
    """
    check(client)
    done = Refreshed()
    doing = in_this_process(client, prices) if processes == 1 else in_processes(client.address, prices, processes)
    with doing as start:
        for found, changed in _worked_out(_slices(client, grace_seconds), start, 2 * processes - 1):
            write_state(client, **{REFRESH: str(found[-1])})
            done = Refreshed(done.traces + len(found), done.executions + changed.executions, done.calls + changed.calls)
            if progress is not None:
                progress(done)
    hours.count_again(client)
    while rolled_up := hours.roll_up(client, grace_seconds):
        done = replace(done, hours=done.hours + rolled_up)
        if progress is not None:
            progress(done)
    hours.delete_stale(client)
    write_state(client, **{REFRESHED: str(client.now())})
    return done


def _slices(client: Client, grace_seconds: float) -> Iterator[list[Arrival]]:
    """Yield the arrivals above the mark, in their order."""
    until = client.now() - int(grace_seconds * 1e6)
    mark = reached(client)
    while found := arrived(client, mark, until, _TRACES):
        yield found
        mark = found[-1]


def _worked_out(slices: Iterable[list[Arrival]], start: Start, most: int) -> Iterator[tuple[list[Arrival], Changed]]:
    """Yield *slices* and what changed in them, in their order. So many at the most have begun before the first ends."""
    begun: deque[tuple[list[Arrival], Callable[[], Changed]]] = deque()
    for found in slices:
        begun.append((found, start([each.trace_id for each in found])))
        if len(begun) == most:
            first, finish = begun.popleft()
            yield first, finish()
    for found, finish in begun:
        yield found, finish()
