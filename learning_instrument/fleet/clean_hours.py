"""Which hours have sums that count, and which executions are read in place of the others'.

An hour is clean where nothing of it has arrived or changed since its sums were made. Which hours are, is read first;
an answer is then of these sums and of those executions, also where hours are rolled up meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..sqlite.dimensions import TIME_BUCKETS
from ..sqlite.selection import Selection
from ..timestamps import iso
from .client import Client

_HOUR: Final = TIME_BUCKETS["hour"]
#: After every timestamp.
_LAST: Final = "~"
_HOURS: Final = (
    "SELECT bucket, toUnixTimestamp64Micro(known.generation) AS generation,"
    " touched.at < known.generation AND has(known.cubes, {kept:String}) AS is_clean"
    " FROM learning_instrument_touched AS touched FINAL"
    " LEFT JOIN learning_instrument_generations AS known FINAL USING (bucket)"
    " WHERE bucket >= {first:String} AND bucket < {last:String} ORDER BY bucket"
)
#: Of sums: such as have the generation that their hour had when it was looked for.
VALID: Final = (
    "bucket IN {hours:Array(String)} AND toUnixTimestamp64Micro(generation) ="
    " transform(bucket, {hours:Array(String)}, {generations:Array(Int64)}, toInt64(0))"
)


class Hours(NamedTuple):
    """The hours of a selection."""

    #: Clean hour -> the generation of its sums, in microseconds.
    clean: Mapping[str, int]
    #: From each of these times until the other, executions are read.
    others: Sequence[tuple[str, str]]

    def generations(self) -> dict[str, Any]:
        """Return the parameters of :data:`VALID`."""
        return {"hours": [*self.clean], "generations": [*self.clean.values()]}

    def of_others(self) -> tuple[str, dict[str, Any]]:
        """Return the condition of the executions that are read, and its parameters."""
        return between(self.others)


def between(ranges: Sequence[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    """Return the condition of executions in *ranges* of timestamps, and its parameters."""
    # By the ends of each, which are in the order that executions are stored in.
    ends = {
        f"{name}{number}": text
        for number, (start, end) in enumerate(ranges)
        for name, text in (("from", start), ("until", end))
    }
    condition = " OR ".join(
        f"(timestamp >= :from{number} AND timestamp < :until{number})" for number in range(len(ranges))
    )
    return f"({condition or 0})", ends


def whole(hour: str) -> tuple[str, str]:
    """Return the range of the timestamps of *hour*."""
    return hour, f"{hour}{_LAST}"


def hours_of(client: Client, kept: str, selection: Selection) -> Hours:
    """Return the hours of *selection*, of which those are clean that have sums of the name *kept*.

    Raises:
        DatabaseError: if they cannot be read.
    """
    since = "" if selection.since is None else iso(selection.since)
    until = _LAST if selection.until is None else iso(selection.until)
    rows = client.rows(_HOURS, {"first": since[:_HOUR], "last": until, "kept": kept})
    clean: dict[str, int] = {}
    others: list[tuple[str, str]] = []
    is_open = False  # whether the last of others goes on
    for row in rows:
        hour = row["bucket"]
        is_whole = since <= hour and whole(hour)[1] <= until
        if row["is_clean"] and is_whole:
            clean[hour] = row["generation"]
            is_open = False
        elif is_open:
            others[-1] = others[-1][0], whole(hour)[1]
        else:
            others.append(whole(hour))
            is_open = True
    return Hours(clean, others)
