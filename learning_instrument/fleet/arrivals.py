"""Traces that arrived, in the order that refresh goes through."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .client import Client
from .schema import read_state

#: The state of refresh: the last arrival that it took.
REFRESH: Final = "refresh"
#: And when one ended last, in microseconds since the epoch.
REFRESHED: Final = "refreshed"
#: Arrivals above a mark; the second condition is for the primary key.
_ABOVE: Final = (
    "(a.arrived, a.first, a.trace_id) > (fromUnixTimestamp64Micro({arrived:Int64}, 'UTC'),"
    " fromUnixTimestamp64Nano({first:Int64}, 'UTC'), {trace_id:String})"
    " AND a.arrived >= fromUnixTimestamp64Micro({arrived:Int64}, 'UTC')"
)
#: For so long after its start an execution's model calls may begin: as long as it took, and an hour, as clocks differ.
_SECONDS: Final = (
    "toUInt32(3600 + least(greatest(duration_seconds, 0) + greatest(ifNull(wait_seconds, 0), 0), 2592000))"
)


class Arrival(NamedTuple):
    """The arrival of spans of a trace, in the order that refresh goes through: what began together comes together."""

    #: In microseconds, and when the first of the spans began, in nanoseconds.
    arrived: int
    first: int
    trace_id: str

    @classmethod
    def parse(cls, text: str) -> "Arrival":
        """Return the arrival that *text* is of. The id of a trace may have blanks."""
        arrived, first, trace_id = text.split(" ", 2)
        return cls(int(arrived), int(first), trace_id)

    def __str__(self) -> str:
        return " ".join(map(str, self))


def arrived(client: Client, mark: Arrival, until: int, most: int) -> list[Arrival]:
    """Return the next arrivals above the *mark*, before a moment in microseconds.

    Raises:
        DatabaseError: if they cannot be read.
    """
    rows = client.rows(
        "SELECT toUnixTimestamp64Micro(arrived) AS arrived, toUnixTimestamp64Nano(first) AS first, trace_id"
        f" FROM learning_instrument_arrivals AS a WHERE {_ABOVE}"
        " AND a.arrived < fromUnixTimestamp64Micro({until:Int64}, 'UTC')"
        f" ORDER BY a.arrived, a.first, a.trace_id LIMIT {most}",
        {**mark._asdict(), "until": until},
    )
    return [Arrival(**row) for row in rows]


def reached(client: Client) -> Arrival:
    """Return the mark of refresh: the last arrival that it took; before the first, one before all.

    Raises:
        DatabaseError: if it cannot be read.
    """
    return Arrival.parse(read_state(client).get(REFRESH, "0 0 "))


def wait_more_than(client: Client, most: int) -> bool:
    """Tell whether more than *most* arrivals wait for refresh. No more of them are looked at.

    Raises:
        DatabaseError: if they cannot be read.
    """
    sql = f"SELECT 1 FROM learning_instrument_arrivals AS a WHERE {_ABOVE} LIMIT {most + 1}"
    found = client.rows(f"SELECT count() AS number FROM ({sql})", reached(client)._asdict())
    return int(found[0]["number"]) > most


def waiting(client: Client) -> int:
    """Return about how many traces arrived since refresh took the last one.

    Raises:
        DatabaseError: if they cannot be read.
    """
    sql = f"SELECT uniq(trace_id) AS number FROM learning_instrument_arrivals AS a WHERE {_ABOVE}"
    return int(client.rows(sql, reached(client)._asdict())[0]["number"])


def arrive_again(client: Client, which: str, parameters: Mapping[str, Any]) -> None:
    """Let the next refresh work out the traces of executions anew.

    Args:
        client: the fleet.
        which: the condition of these executions.
        parameters: those of the condition.

    Raises:
        DatabaseError: if they cannot be read or written.
    """
    client.execute(
        "INSERT INTO learning_instrument_arrivals (trace_id, first, last)"
        f" SELECT trace_id, min(began), max(began + INTERVAL {_SECONDS} SECOND) FROM"
        " (SELECT trace_id, duration_seconds, wait_seconds, parseDateTime64BestEffort(timestamp, 9, 'UTC') AS began"
        f" FROM learning_instrument_executions FINAL WHERE {which} AND trace_id IS NOT NULL) GROUP BY trace_id",
        parameters,
    )
