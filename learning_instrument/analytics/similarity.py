"""Finds executions of similar tasks: by the words of their descriptions, or by a caller's embedding.

By words, the index finds candidates and Python compares. A description that is alike enough shares one of the rarest
words, so only those are searched for; what is above the index's mark is read from the executions.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..costs.model_calls import PARTIAL
from ..errors import ConfigurationError
from ..rollups.measures import IS_PRICED, IS_TIMED
from ..rollups.search_index import IS_SOUND
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts -> a vector for each, all of one length."""

#: Of more candidates the newest are compared.
_MOST_CANDIDATES: Final = 20_000
#: Descriptions that ``embed`` is given: a model is slower than a comparison of words.
_MOST_EMBEDDED: Final = 2_000
_WORD: Final = re.compile(r"[^\W_]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_STATE: Final = f"WITH state AS (SELECT mark FROM search_state WHERE {IS_SOUND}) "
_MARK: Final = "coalesce((SELECT mark FROM state), 0)"


@dataclass(frozen=True, slots=True)
class SimilarExecution:
    """An execution, and how much its task's description is like the one asked for."""

    #: From 0 (nothing in common) to 1 (the same words).
    score: float
    execution_id: str
    timestamp: datetime
    task_type: str
    task_description: str
    repo: str | None
    model_tier: str | None
    pool_type: str | None
    success: bool
    outcome: str
    #: None where it was not reported.
    duration_seconds: float | None
    #: US dollars; a lower bound where ``cost_source`` is ``partial``.
    cost_usd: float | None
    cost_source: str | None
    solution_summary: str | None

    @property
    def is_partial(self) -> bool:
        """Whether the cost is a lower bound: a part of it is unknown."""
        return self.cost_source == PARTIAL


def similar_executions(
    database: Queryable,
    task_description: str,
    selection: Selection | None = None,
    *,
    limit: int = 10,
    threshold: float = 0.5,
    embed: Embed | None = None,
) -> list[SimilarExecution]:
    """Return the executions whose descriptions are most like *task_description*, the most alike first.

    Without ``embed`` the score is what the two share of their words, twice over what both have together, each word
    weighing the more the rarer it is. With it, the cosine of the two vectors.

    Args:
        database: the one to ask.
        task_description: any text.
        selection: which executions; by default all.
        limit: the most to return.
        threshold: the least score, 0 to 1.
        embed: makes vectors of texts; it is given the newest 2,000 descriptions that differ.

    Raises:
        ConfigurationError: for a limit or a threshold of no use, or vectors that do not fit the texts.
        DatabaseError: if the database cannot be read.
    """
    if not isinstance(task_description, str):
        raise ConfigurationError(f"Invalid task_description {task_description!r:.100}: expected text.")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number of executions above 0.")
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise ConfigurationError(f"Invalid threshold {threshold!r}: expected a number from 0 to 1, such as 0.7.")
    selection = selection or Selection()
    find = _by_words if embed is None else _by_vectors(embed)
    scores = find(database, task_description, selection, threshold)
    best = sorted(scores, key=lambda rowid: (-scores[rowid], -rowid))[:limit]
    return _executions(database, {rowid: scores[rowid] for rowid in best})


def last_days(
    database: Queryable, task_description: str, repo: str | None, limit: int, days_back: float, threshold: float
) -> list[SimilarExecution]:
    """Return :func:`similar_executions` of the last *days_back* days."""
    if not isinstance(days_back, (int, float)) or not 0 < days_back < math.inf:
        raise ConfigurationError(f"Invalid days_back {days_back!r}: expected a number of days above 0.")
    since = datetime.now(timezone.utc) - timedelta(days=min(days_back, 365_000))
    selection = Selection(since=since, repo=repo)
    return similar_executions(database, task_description, selection, limit=limit, threshold=threshold)


def words(text: str) -> dict[str, str]:
    """Return the words of *text* as they are compared, in lower case and without accents -> as they are written."""
    return {_folded(word): word for word in _WORD.findall(text)}


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word.lower())))


def _by_words(database: Queryable, task_description: str, selection: Selection, threshold: float) -> dict[int, float]:
    asked = words(task_description)
    if not asked:
        return {}
    weights = _Weights(database, asked)
    whole = weights.of(asked)
    # score = 2 s / (w + d) of the shared weight, the query's and the description's; with d >= s, s is at least this:
    least = whole * threshold / (2 - threshold)
    described = {
        rowid: set(words(text))
        for rowid, text in _candidates(database, _rarest(asked, weights, whole - least), selection).items()
    }
    shared = {rowid: weights.of(found & asked.keys()) for rowid, found in described.items()}
    # A rounding error must not lose one that is just alike enough.
    alike = [rowid for rowid, weight in shared.items() if weight and weight >= least * (1 - 1e-9)]
    weights.look_up({word for rowid in alike for word in described[rowid]})
    scores = {rowid: min(1.0, 2 * shared[rowid] / (whole + weights.of(described[rowid]))) for rowid in alike}
    return {rowid: score for rowid, score in scores.items() if score >= threshold - 1e-9}


def _rarest(asked: Mapping[str, str], weights: "_Weights", more_than: float) -> list[str]:
    """Return the rarest words whose weight exceeds the difference that similar descriptions may have."""
    chosen: list[str] = []
    weight = 0.0
    for word in sorted(asked, key=lambda word: (-weights.of([word]), word)):
        chosen.append(asked[word])
        weight += weights.of([word])
        if weight > more_than * (1 + 1e-9):
            break
    return chosen


class _Weights:
    """Weights of words: the rarer in the descriptions, the higher."""

    def __init__(self, database: Queryable, some: Iterable[str]) -> None:
        self._database = database
        ((self._count),) = (row["n"] for row in database.query(f"{_STATE}SELECT {_MARK} AS n"))
        self._weights: dict[str, float] = {}
        self.look_up(some)

    def look_up(self, some: Iterable[str]) -> None:
        missing = sorted(set(some) - self._weights.keys())
        for start in range(0, len(missing), 500):
            chunk = missing[start : start + 500]
            rows = self._database.query(
                f"SELECT term, doc FROM execution_search_words WHERE term IN {placeholders(chunk)}", chunk
            )
            counts = {row["term"]: row["doc"] for row in rows}
            for word in chunk:
                count = counts.get(word, 0)
                self._weights[word] = math.log(1 + (max(self._count, count) + 1) / (count + 0.5))

    def of(self, some: Collection[str]) -> float:
        # Summed in one order: the same words weigh the same to the last digit.
        return math.fsum(self._weights[word] for word in some)


def _candidates(database: Queryable, any_of: Sequence[str], selection: Selection) -> dict[int, str]:
    condition, parameters = selection.condition("+timestamp")  # rowids say more than the index of timestamps
    # In quotes a word is a word: AND, NEAR, a star or a colon mean nothing.
    match = " OR ".join(f'"{word}"' for word in any_of)
    rows = database.query(
        f"{_STATE}SELECT rowid AS id, task_description FROM executions WHERE rowid IN ("
        f"SELECT rowid FROM execution_search WHERE execution_search MATCH :match AND EXISTS (SELECT 1 FROM state)"
        f" ORDER BY rowid DESC LIMIT {_MOST_CANDIDATES}) AND rowid <= {_MARK} AND {condition}"
        f" UNION ALL SELECT rowid, task_description FROM executions WHERE rowid > {_MARK} AND {condition}",
        {**parameters, "match": match},
    )
    return {row["id"]: row["task_description"] or "" for row in rows}


def _by_vectors(embed: Embed) -> Callable[[Queryable, str, Selection, float], dict[int, float]]:
    def find(database: Queryable, task_description: str, selection: Selection, threshold: float) -> dict[int, float]:
        condition, parameters = selection.condition()
        rows = database.query(
            "SELECT task_description, group_concat(rowid) AS ids FROM executions"
            f" WHERE {condition} AND task_description <> '' GROUP BY 1 ORDER BY max(rowid) DESC LIMIT {_MOST_EMBEDDED}",
            parameters,
        )
        if not rows:
            return {}
        asked, *found = _vectors(embed, [task_description, *(row["task_description"] for row in rows)])
        return {
            int(rowid): score
            for row, vector in zip(rows, found, strict=True)
            if (score := _cosine(asked, vector)) >= threshold
            for rowid in row["ids"].split(",")
        }

    return find


def _vectors(embed: Embed, texts: list[str]) -> list[Sequence[float]]:
    vectors = list(embed(texts))
    lengths = {len(vector) for vector in vectors}
    if len(vectors) != len(texts) or len(lengths) != 1:
        raise ConfigurationError(
            f"Invalid embed {embed!r}: it returned {len(vectors)} vectors of lengths {sorted(lengths)} for {len(texts)}"
            " texts; expected one for each text, all of one length."
        )
    return vectors


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))
    return min(1.0, max(0.0, product / lengths)) if lengths else 0.0


def _executions(database: Queryable, scores: Mapping[int, float]) -> list[SimilarExecution]:
    rows = database.query(
        "SELECT rowid AS id, execution_id, timestamp, task_type, task_description, repo, model_tier, pool_type,"
        f" success, outcome, solution_summary, CASE WHEN {IS_TIMED} THEN duration_seconds END AS duration_seconds,"
        f" CASE WHEN {IS_PRICED} THEN actual_cost END AS cost_usd, cost_source"
        f" FROM executions WHERE rowid IN {placeholders(scores)}",
        list(scores),
    )
    of_rowid: dict[int, dict[str, Any]] = {row.pop("id"): row for row in rows}
    return [
        SimilarExecution(
            score=score,
            **{
                **of_rowid[rowid],
                "timestamp": from_iso(of_rowid[rowid]["timestamp"]),
                "success": bool(of_rowid[rowid]["success"]),
            },
        )
        for rowid, score in scores.items()
        if rowid in of_rowid  # else deleted meanwhile
    ]
