"""Executions of a fleet whose descriptions have some words: the newest are looked at, and counted exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ..analytics.sources.words import COMPARED, Frequencies, WordList
from ..sqlite.selection import Selection
from ..timestamps import from_iso
from .client import Client
from .dialect import translated

#: So many, of the time that is asked for.
_NEWEST: Final = 1_000_000


def frequencies(client: Client, words: Iterable[str]) -> Frequencies:
    """Return how many of the newest executions have each of *words* in their description.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    wanted = sorted(words)
    condition, parameters = _newest(client, Selection()).condition()
    every, given = translated(f"SELECT count(*) AS executions FROM executions WHERE {condition}", parameters)
    (counted,) = client.rows(every, given)
    texts, _ = translated(f"SELECT words FROM executions WHERE {condition}", parameters)
    found = client.rows(
        f"SELECT arrayJoin(words) AS word, count() AS executions FROM ({texts})"
        " WHERE word IN {words:Array(String)} GROUP BY word",
        {**given, "words": wanted},
    )
    of_word = {row["word"]: row["executions"] for row in found}
    return Frequencies(counted["executions"], {word: of_word.get(word, 0) for word in wanted})


def described(client: Client, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
    """Return the descriptions of executions with the most weight of *lists*, by their rowids.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    condition, parameters = _newest(client, selection).condition()
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


def _newest(client: Client, selection: Selection) -> Selection:
    """Return *selection* of the time since the last of the newest executions began."""
    condition, parameters = Selection(since=selection.since, until=selection.until).condition()
    # The order of the table itself: no more is read. What is there twice counts twice.
    sql, given = translated(
        f"SELECT timestamp FROM learning_instrument_executions WHERE {condition}"
        f" ORDER BY timestamp DESC LIMIT 1 OFFSET {_NEWEST - 1}",
        parameters,
    )
    found = client.rows(sql, given)
    return replace(selection, since=from_iso(found[0]["timestamp"])) if found else selection
