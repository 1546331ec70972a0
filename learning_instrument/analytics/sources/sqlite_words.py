"""Executions of a SQLite file whose descriptions have some words: by the search index, all of those above its mark."""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from ...rollups.search_index import IS_SOUND
from ...sqlite.selection import Queryable, Selection
from .words import COMPARED, LISTED, Frequencies, WordList

#: Of a word that more executions have, the number is estimated from how close the newest are together.
_COUNTED: Final = 1_000
_STATE: Final = f"state AS (SELECT mark FROM search_state WHERE {IS_SOUND})"
_MARK: Final = "coalesce((SELECT mark FROM state), 0)"
_HAS_WORD: Final = (
    "SELECT rowid FROM execution_search WHERE execution_search MATCH {match} AND EXISTS (SELECT 1 FROM state)"
    " ORDER BY rowid DESC LIMIT {limit}"
)


def frequencies(database: Queryable, words: Iterable[str]) -> Frequencies:
    """Return about how many executions have each of *words* in their description."""
    ((first, every),) = (
        (row["first"], row["mark"])
        for row in database.query(f"WITH {_STATE} SELECT {_MARK} AS mark, (SELECT min(rowid) FROM executions) AS first")
    )
    rows = database.query(
        f"WITH {_STATE} SELECT value AS word, (SELECT json_array(count(*), min(rowid)) FROM ("
        + _HAS_WORD.format(match="'\"' || value || '\"'", limit=_COUNTED)
        + ")) AS found FROM json_each(?)",
        [json.dumps(sorted(words))],
    )
    of_word: dict[str, float] = {}
    for row in rows:
        count, oldest = json.loads(row["found"])
        if count == _COUNTED:
            count *= (every - first + 1) / (every - oldest + 1)
        of_word[row["word"]] = count
    return Frequencies(every, of_word)


def described(database: Queryable, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
    """Return the descriptions of executions with the most weight of *lists*, by their rowids."""
    condition, parameters = selection.condition("+timestamp")  # rowids say more than the index of timestamps
    listed = " UNION ALL ".join(
        f"SELECT rowid, :weight{number} AS weight FROM ({_HAS_WORD.format(match=f':match{number}', limit=LISTED)})"
        for number, _ in enumerate(lists)
    )
    for number, each in enumerate(lists):
        # In quotes a word is a word: AND, NEAR, a star or a colon mean nothing.
        match = " OR ".join(f'"{word}"' for word in each.words.values())
        parameters |= {f"match{number}": match, f"weight{number}": each.weight}
    rows = database.query(
        # The limit keeps SQLite from dropping the order, in which the executions are then read.
        f"WITH {_STATE}, listed AS (SELECT rowid AS row, sum(weight) AS shared FROM ({listed}) GROUP BY 1"
        f" ORDER BY 2 DESC, 1 DESC LIMIT {LISTED * len(lists)})"
        " SELECT id, task_description FROM (SELECT e.rowid AS id, e.task_description FROM listed"
        f" CROSS JOIN executions AS e ON e.rowid = row WHERE row <= {_MARK} AND {condition} LIMIT {COMPARED})"
        f" UNION ALL SELECT rowid, task_description FROM executions WHERE rowid > {_MARK} AND {condition}",
        parameters,
    )
    return {row["id"]: row["task_description"] or "" for row in rows}
