"""Executions of a fleet whose descriptions have some words: the newest are looked at, and counted exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ..analytics.sources.words import COMPARED, Frequencies, WordList
from ..sqlite.selection import Queryable, Selection, newest
from .client import Client
from .dialect import translated

#: So many, of the time that is asked for.
_NEWEST: Final = 1_000_000
#: In the order of their timestamps, so that no more are read; one that is there twice counts twice.
_ORDERED: Final = "learning_instrument_executions"


def frequencies(database: Queryable, client: Client, words: Iterable[str]) -> Frequencies:
    """Return how many of the newest executions have each of *words* in their description.

    Args:
        database: the one to ask.
        client: the same, for what SQLite's SQL does not say.
        words: as they are compared.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    wanted = sorted(words)
    condition, parameters = newest(database, Selection(), _NEWEST, _ORDERED).condition()
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


def described(database: Queryable, client: Client, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
    """Return the descriptions of executions with the most weight of *lists*, by their rowids.

    Args:
        database: the one to ask.
        client: the same, for what SQLite's SQL does not say.
        lists: of words, with their weights.
        selection: which executions.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    window = newest(database, Selection(since=selection.since, until=selection.until), _NEWEST, _ORDERED)
    condition, parameters = replace(selection, since=window.since).condition()
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
