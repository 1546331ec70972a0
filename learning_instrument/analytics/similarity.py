"""Finds executions of similar tasks: by the words of their descriptions, or by a caller's embedding."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal

from ..costs.model_calls import PARTIAL
from ..errors import ConfigurationError
from ..rollups.measures import IS_PRICED, IS_TIMED
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso
from .shared_words import by_words
from .vectors import Embed, Progress, by_vectors

Likeness = Literal["close", "related", "far"]

#: The least score of shared words, and of vectors the least part of the way from what unrelated descriptions have to 1:
#: see docs/how-to/similar.md for the measurement.
_CLOSE_WORDS: Final = 0.35
_RELATED_WORDS: Final = 0.2
_CLOSE_VECTORS: Final = 0.6
_RELATED_VECTORS: Final = 0.4


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
    #: The score in words: a close one is nearly always of a task like the one asked for, a far one seldom.
    likeness: Likeness

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
    threshold: float = 0.0,
    embed: Embed | None = None,
    embed_model: str | None = None,
    progress: Progress | None = None,
) -> list[SimilarExecution]:
    """Return the executions whose descriptions are most like *task_description*, the most alike first.

    Without ``embed`` the score is what the two share of their words, twice over what both have together, each word
    weighing the more the rarer it is. With it, the cosine of the two vectors. An execution that shares nothing is
    never among them. At equal scores the newest come first.

    A :class:`LearningDatabase` keeps the vectors, by the name of the model: each description is embedded once. They go
    with the last execution of their description, and with ``learning-instrument prune --vectors``.

    Args:
        database: the one to ask.
        task_description: any text.
        selection: which executions; by default all.
        limit: the most to return.
        threshold: the least score, 0 to 1, for programs; people read :attr:`SimilarExecution.likeness`.
        embed: makes vectors of texts. It is given the text, a probe that tells models apart, and in batches of 256 the
            descriptions that have no vector yet.
        embed_model: the name of its model, version included; by default the name of ``embed`` itself.
        progress: called after each batch with a label, the number of descriptions embedded, and their total.

    Raises:
        ConfigurationError: for a limit or a threshold of no use, vectors that do not fit the texts, or vectors of
            another model than those stored by that name.
        DatabaseError: if the database cannot be read.
    """
    if not isinstance(task_description, str):
        raise ConfigurationError(f"Invalid task_description {task_description!r:.100}: expected text.")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number of executions above 0.")
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise ConfigurationError(f"Invalid threshold {threshold!r}: expected a number from 0 to 1, such as 0.7.")
    if embed_model is not None and (not isinstance(embed_model, str) or not embed_model):
        raise ConfigurationError(f"Invalid embed_model {embed_model!r}: expected the name of a model.")
    if embed is not None and not callable(embed):
        raise ConfigurationError(f"Invalid embed {embed!r:.100}: expected a function from texts to one for each text.")
    selection = selection or Selection()
    if embed is None:
        scores: Mapping[int, float] = by_words(database, task_description, selection, threshold)
        close, related = _CLOSE_WORDS, _RELATED_WORDS
    else:
        found = by_vectors(database, task_description, selection, threshold, limit, embed, embed_model, progress)
        scores = found.scores
        close, related = (
            found.unrelated + least * (1 - found.unrelated) for least in (_CLOSE_VECTORS, _RELATED_VECTORS)
        )
    best = heapq.nlargest(limit, scores, key=lambda rowid: (scores[rowid], rowid))
    return _executions(database, {rowid: scores[rowid] for rowid in best}, close, related)


def last_days(
    database: Queryable, task_description: str, repo: str | None, limit: int, days_back: float, threshold: float
) -> list[SimilarExecution]:
    """Return :func:`similar_executions` of the last *days_back* days.

    Raises:
        ConfigurationError: for a number of days that is not above 0, and as :func:`similar_executions` does.
        DatabaseError: if the database cannot be read.
    """
    if not isinstance(days_back, (int, float)) or not 0 < days_back < math.inf:
        raise ConfigurationError(f"Invalid days_back {days_back!r}: expected a number of days above 0.")
    since = datetime.now(timezone.utc) - timedelta(days=min(days_back, 365_000))
    selection = Selection(since=since, repo=repo)
    return similar_executions(database, task_description, selection, limit=limit, threshold=threshold)


def _executions(
    database: Queryable, scores: Mapping[int, float], close: float, related: float
) -> list[SimilarExecution]:
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
                "likeness": "close" if score >= close else "related" if score >= related else "far",
            },
        )
        for rowid, score in scores.items()
        if rowid in of_rowid  # else deleted meanwhile
    ]
