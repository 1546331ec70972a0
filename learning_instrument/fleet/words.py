"""Executions of a fleet whose descriptions have some words. Every execution is looked at, and every count is exact."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..analytics.sources.words import COMPARED, Frequencies, WordList
from ..sqlite.selection import Selection
from .client import Client
from .dialect import translated

_COUNTS: Final = (
    "SELECT arrayJoin(arrayIntersect(words, {words:Array(String)})) AS word, count() AS executions FROM executions"
    " WHERE hasAny(words, {words:Array(String)}) GROUP BY word"
)


def frequencies(client: Client, words: Iterable[str]) -> Frequencies:
    """Return how many executions have each of *words* in their description.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    wanted = sorted(words)
    (every,) = client.rows("SELECT count() AS executions FROM executions")
    found = {row["word"]: row["executions"] for row in client.rows(_COUNTS, {"words": wanted})}
    return Frequencies(every["executions"], {word: found.get(word, 0) for word in wanted})


def described(client: Client, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
    """Return the descriptions of executions with the most weight of *lists*, by their rowids.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    condition, parameters = selection.condition()
    sql, given = translated(f"SELECT rowid, task_description, words FROM executions WHERE {condition}", parameters)
    words: dict[str, Any] = {"every": sorted({word for each in lists for word in each.words})}
    weights = []
    for number, each in enumerate(lists):
        words |= {f"words{number}": sorted(each.words), f"weight{number}": each.weight}
        weights.append(f"hasAny(words, {{words{number}:Array(String)}}) * {{weight{number}:Float64}}")
    rows = client.rows(
        f"SELECT rowid, task_description FROM ({sql}) WHERE hasAny(words, {{every:Array(String)}})"
        f" ORDER BY {' + '.join(weights)} DESC, rowid DESC LIMIT {COMPARED}",
        {**given, **words},
    )
    return {row["rowid"]: row["task_description"] or "" for row in rows}
