"""Executions of a SQLite file whose descriptions have some words: by the search index, and in memory those it lacks.

Both tell words apart in one way, and are counted and listed as one: how far the index has come changes no answer.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from ...rollups.search_index import IS_SOUND
from ...sqlite.selection import Queryable, Selection
from ...sqlite.words_in_memory import WordsInMemory
from .words import COMPARED, LISTED, Frequencies, WordList

#: Of a word that more executions have, the number is estimated from how close the newest are together.
_COUNTED: Final = 1_000
#: Of the executions that the index lacks, so many are looked at, the newest: 3 seconds and 40 MB.
_NEWEST: Final = 1_000_000
#: And so many are read at once.
_SLICE: Final = 10_000
_MARK: Final = f"coalesce((SELECT mark FROM search_state WHERE {IS_SOUND}), 0)"
_HAS_WORD: Final = (
    "SELECT rowid FROM execution_search WHERE execution_search MATCH {match} AND rowid <= :mark"
    " ORDER BY rowid DESC LIMIT {limit}"
)

_Answer = TypeVar("_Answer")


class SQLiteWords:
    """The words of a file for one question, which reads the executions that the index lacks once."""

    def __init__(self, database: Queryable) -> None:
        self._database = database
        self._index: _Index | None = None

    def frequencies(self, words: Iterable[str]) -> Frequencies:
        """Return about how many executions have each of *words* in their description."""
        some = sorted(words)
        return self._answer(lambda index: _frequencies(index, some))

    def described(self, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
        """Return the descriptions of executions with the most weight of *lists*, by their rowids."""
        return self._answer(lambda index: _described(index, lists, selection))

    def _answer(self, ask: Callable[["_Index"], _Answer]) -> _Answer:
        while True:
            self._index = self._index or _Index(self._database)
            try:
                return ask(self._index)
            except _EmptiedError:
                self._index = None


class _EmptiedError(Exception):
    """The search index has lost executions since the question began: a rebuild has emptied it, or they were deleted."""


class _Index:
    """The search index up to where it was when the question began, and the executions above that."""

    def __init__(self, database: Queryable) -> None:
        self._database = database
        (found,) = database.query(
            f"SELECT {_MARK} AS mark, (SELECT min(rowid) FROM executions) AS first,"
            " (SELECT max(rowid) FROM executions) AS last"
        )
        self.first, self.last, self._mark = found["first"] or 1, found["last"] or 0, found["mark"]
        self._above = WordsInMemory() if self.last > self._mark else None
        reached = max(self._mark, self.last - _NEWEST)
        while self._above is not None and reached < self.last:
            rows = database.query(
                "SELECT rowid AS row, task_description FROM executions WHERE rowid > ? AND rowid <= ?",
                [reached, min(reached + _SLICE, self.last)],
            )
            self._above.add((row["row"], row["task_description"] or "") for row in rows)
            reached += _SLICE

    def above(self, match: str, limit: int) -> list[int]:
        """Return the rowids of the newest of the executions above the mark that *match*, the newest first."""
        return [] if self._above is None else self._above.newest(match, limit)

    def rows(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of a question to the index: an id, and one column more."""
        rows = self._database.query(
            f"SELECT * FROM ({sql}) UNION ALL SELECT NULL, NULL WHERE {_MARK} < :mark",
            {**parameters, "mark": self._mark},
        )
        if rows and rows[-1]["id"] is None:
            raise _EmptiedError
        return rows


def _frequencies(index: _Index, words: Sequence[str]) -> Frequencies:
    above = {word: index.above(f'"{word}"', _COUNTED) for word in words}
    by_limit: defaultdict[int, list[str]] = defaultdict(list)
    for word, rows in above.items():
        by_limit[_COUNTED - len(rows)].append(word)
    executions = index.last - index.first + 1
    of_word: dict[str, float] = {}
    for limit, some in by_limit.items():
        has_word = _HAS_WORD.format(match="'\"' || value || '\"'", limit=limit)
        found = index.rows(
            f"SELECT value AS id, (SELECT json_array(count(*), min(rowid)) FROM ({has_word})) AS found"
            " FROM json_each(:words)",
            {"words": json.dumps(some)},
        )
        for row in found:
            (count, oldest), newer = json.loads(row["found"]), above[row["id"]]
            count += len(newer)
            if count == _COUNTED:
                count *= executions / (index.last - (oldest or newer[-1]) + 1)
            of_word[row["id"]] = count
    return Frequencies(executions, of_word)


def _described(index: _Index, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
    condition, parameters = selection.condition("+timestamp")  # rowids say more than the index of timestamps
    listed = []
    for number, each in enumerate(lists):
        # In quotes a word is a word: AND, NEAR, a star or a colon mean nothing.
        match = " OR ".join(f'"{word}"' for word in each.words.values())
        parameters |= {f"match{number}": match, f"weight{number}": each.weight}
        above = index.above(match, LISTED)
        if above:
            parameters[f"above{number}"] = json.dumps(above)
            listed.append(f"SELECT value AS row, :weight{number} AS weight FROM json_each(:above{number})")
        has_word = _HAS_WORD.format(match=f":match{number}", limit=LISTED - len(above))
        listed.append(f"SELECT rowid AS row, :weight{number} AS weight FROM ({has_word})")
    rows = index.rows(
        # The limit keeps SQLite from dropping the order, in which the executions are then read.
        f"WITH listed AS (SELECT row, sum(weight) AS shared FROM ({' UNION ALL '.join(listed)}) GROUP BY 1"
        f" ORDER BY 2 DESC, 1 DESC LIMIT {LISTED * len(lists)})"
        " SELECT e.rowid AS id, e.task_description FROM listed"
        f" CROSS JOIN executions AS e ON e.rowid = row WHERE {condition} LIMIT {COMPARED}",
        parameters,
    )
    return {row["id"]: row["task_description"] or "" for row in rows}
