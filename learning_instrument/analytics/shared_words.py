"""The executions whose descriptions share words with a text, by what the shared words weigh.

The index finds candidates and Python compares. Of each word, the newest executions are listed; those with the most
shared weight are compared. What is above the index's mark is read from the executions.
"""

import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from ..rollups.search_index import IS_SOUND
from ..sqlite.selection import Queryable, Selection

#: Of each word, the newest executions that are listed.
_LISTED: Final = 10_000
#: Of those listed, the executions with the most shared weight are compared.
_COMPARED: Final = 1_000
#: Words of a text with lists of their own; the most frequent of a longer text share the last one.
_LISTS: Final = 40
#: Of a word that more executions have, the number is estimated from how close the newest are together.
_COUNTED: Final = 1_000
_WORD: Final = re.compile(r"[^\W_]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_STATE: Final = f"state AS (SELECT mark FROM search_state WHERE {IS_SOUND})"
_MARK: Final = "coalesce((SELECT mark FROM state), 0)"
_HAS_WORD: Final = (
    "SELECT rowid FROM execution_search WHERE execution_search MATCH {match} AND EXISTS (SELECT 1 FROM state)"
    " ORDER BY rowid DESC LIMIT {limit}"
)


def words(text: str) -> dict[str, str]:
    """Return the words of *text* as they are compared, in lower case and without accents -> as they are written."""
    return {_folded(word): word for word in _WORD.findall(text)}


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word.lower())))


def by_words(database: Queryable, task_description: str, selection: Selection, threshold: float) -> dict[int, float]:
    """Return the rowids of executions that share words with *task_description*, each with its score.

    The score is the weight of the shared words, twice over what both have together.

    Args:
        database: the one to ask.
        task_description: any text.
        selection: which executions.
        threshold: the least score; one that is 0 is never returned.
    """
    asked = words(task_description)
    if not asked:
        return {}
    weights = _Weights(database, asked)
    whole = weights.of(asked)
    # score = 2 s / (w + d) of the shared weight, the query's and the description's; with d >= s, s is at least this:
    least = whole * threshold / (2 - threshold)
    lists = _lists(_rarest(asked, weights, whole - least), asked, weights)
    candidates = _candidates(database, lists, selection)
    described = {text: words(text).keys() for text in set(candidates.values())}
    shared = {text: weights.of(found & asked.keys()) for text, found in described.items()}
    # A rounding error must not lose one that is just alike enough.
    alike = [text for text, weight in shared.items() if weight and weight >= least * (1 - 1e-9)]
    weights.look_up({word for text in alike for word in described[text]})
    scores = {text: min(1.0, 2 * shared[text] / (whole + weights.of(described[text]))) for text in alike}
    return {
        rowid: scores[text] for rowid, text in candidates.items() if text in scores and scores[text] >= threshold - 1e-9
    }


def _rarest(asked: Mapping[str, str], weights: "_Weights", more_than: float) -> list[str]:
    """Return the rarest words whose weight exceeds the difference that similar descriptions may have."""
    chosen: list[str] = []
    weight = 0.0
    for word in sorted(asked, key=lambda word: (-weights.of([word]), word)):
        chosen.append(word)
        weight += weights.of([word])
        if weight > more_than * (1 + 1e-9):
            break
    return chosen


def _lists(chosen: Sequence[str], asked: Mapping[str, str], weights: "_Weights") -> list[tuple[str, float]]:
    """Return what is searched for, each with the weight of an execution that has it."""
    # In quotes a word is a word: AND, NEAR, a star or a colon mean nothing.
    lists = [(f'"{asked[word]}"', weights.of([word])) for word in chosen]
    alone, others = lists[: _LISTS - 1], lists[_LISTS - 1 :]
    if others:
        alone.append((" OR ".join(match for match, _ in others), others[0][1]))
    return alone


class _Weights:
    """Weights of words: the rarer in the descriptions, the higher."""

    def __init__(self, database: Queryable, some: Iterable[str]) -> None:
        self._database = database
        ((self._first, self._count),) = (
            (row["first"], row["mark"])
            for row in database.query(
                f"WITH {_STATE} SELECT {_MARK} AS mark, (SELECT min(rowid) FROM executions) AS first"
            )
        )
        self._weights: dict[str, float] = {}
        self.look_up(some)

    def look_up(self, some: Iterable[str]) -> None:
        missing = sorted(set(some) - self._weights.keys())
        rows = self._database.query(
            f"WITH {_STATE} SELECT value AS word, (SELECT json_array(count(*), min(rowid)) FROM ("
            + _HAS_WORD.format(match="'\"' || value || '\"'", limit=_COUNTED)
            + ")) AS found FROM json_each(?)",
            [json.dumps(missing)],
        )
        for row in rows:
            count, oldest = json.loads(row["found"])
            if count == _COUNTED:
                count *= (self._count - self._first + 1) / (self._count - oldest + 1)
            self._weights[row["word"]] = math.log(1 + (max(self._count, count) + 1) / (count + 0.5))

    def of(self, some: Collection[str]) -> float:
        # Summed in one order: the same words weigh the same to the last digit.
        return math.fsum(self._weights[word] for word in some)


def _candidates(database: Queryable, lists: Sequence[tuple[str, float]], selection: Selection) -> dict[int, str]:
    condition, parameters = selection.condition("+timestamp")  # rowids say more than the index of timestamps
    listed = " UNION ALL ".join(
        f"SELECT rowid, :weight{number} AS weight FROM ({_HAS_WORD.format(match=f':match{number}', limit=_LISTED)})"
        for number, _ in enumerate(lists)
    )
    for number, (match, weight) in enumerate(lists):
        parameters |= {f"match{number}": match, f"weight{number}": weight}
    rows = database.query(
        # The limit keeps SQLite from dropping the order, in which the executions are then read.
        f"WITH {_STATE}, listed AS (SELECT rowid AS row, sum(weight) AS shared FROM ({listed}) GROUP BY 1"
        f" ORDER BY 2 DESC, 1 DESC LIMIT {_LISTED * _LISTS})"
        " SELECT id, task_description FROM (SELECT e.rowid AS id, e.task_description FROM listed"
        f" CROSS JOIN executions AS e ON e.rowid = row WHERE row <= {_MARK} AND {condition} LIMIT {_COMPARED})"
        f" UNION ALL SELECT rowid, task_description FROM executions WHERE rowid > {_MARK} AND {condition}",
        parameters,
    )
    return {row["id"]: row["task_description"] or "" for row in rows}
