"""The executions whose descriptions are like a text, by the vectors of a caller's model.

Vectors are stored beside the executions, by the name of the model, so that each description is embedded once. A
database that is only read keeps none: then every question embeds them. One that has no place for them, as a fleet or a
file of an older schema, is asked for those of its newest executions.
"""

import heapq
import logging
import shlex
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigurationError, DatabaseError
from ..safety.guards import inform, warn
from ..sqlite.selection import Queryable, Selection, has_table, newest
from .cosines import BYTES, cosines, packed

log = logging.getLogger(__name__)

Embed = Callable[[list[str]], Iterable[Iterable[float]]]
"""Texts -> a vector for each, all of one length: lists of numbers, or the rows of an array."""
Progress = Callable[[str, int, int], object]
"""Called with a label, the number done, and the total."""

#: Descriptions that ``embed`` is given at once. After each such batch the vectors are stored.
_BATCH: Final = 256
#: Executions that are looked at where no vectors are kept.
_NEWEST: Final = 1_000_000
#: Its vector tells whether the model is the one whose vectors are stored.
_PROBE: Final = "fix the failing test of the parser"
#: The least cosine of a text's vector with itself, computed anew.
_SAME: Final = 0.99
#: From so many descriptions on, most are about something else than any question.
_MANY: Final = 100


@dataclass(frozen=True, slots=True)
class VectorScores:
    """The executions, and how their scores are read."""

    #: Rowid -> cosine.
    scores: Mapping[int, float]
    #: The cosine of descriptions that have nothing to do with each other: in many models far above 0.
    unrelated: float


def by_vectors(
    database: Queryable,
    task_description: str,
    selection: Selection,
    threshold: float,
    limit: int,
    embed: Embed,
    embed_model: str | None,
    progress: Progress | None,
) -> VectorScores:
    """Return the rowids of the executions with the most similar descriptions, each with the cosine of the two vectors.

    Args:
        database: the one to ask; a :class:`LearningDatabase` keeps new vectors.
        task_description: any text.
        selection: which executions.
        threshold: the least cosine; one that is 0 is never returned.
        limit: the number of executions that are enough.
        embed: makes vectors of texts.
        embed_model: the name of the model that it uses; by default the name of *embed* itself.
        progress: called after each batch of embedded descriptions.

    Raises:
        ConfigurationError: for vectors that do not fit the texts, or are not those of the model of that name.
        DatabaseError: if the database cannot be read.
    """
    model = _name(embed) if embed_model is None else embed_model
    has_tables = has_table(database, "description_vectors")
    found = _descriptions(database, selection, model, has_tables)
    if not found:
        return VectorScores({}, 0.0)
    asked, probe = _vectors(embed, [task_description, _PROBE])
    if has_tables:
        probe = _stored_probe(database, model, probe)
    known = {row["task_description"]: row["vector"] for row in found if row["vector"] is not None}
    missing = [row["task_description"] for row in found if row["vector"] is None]
    known |= _embedded(database if has_tables else None, missing, embed, model, probe, progress)
    scores = dict(zip(known, cosines(asked, list(known.values())), strict=True))
    # Each description is of an execution or more: those of the best few descriptions are enough.
    least = max(threshold, heapq.nlargest(limit, scores.values())[-1])
    return VectorScores(
        {
            int(rowid): min(1.0, score)
            for row in found
            if (score := scores[row["task_description"]]) >= least and score > 0
            for rowid in row["ids"].split(",")
        },
        statistics.median(scores.values()) if len(scores) >= _MANY else 0.0,
    )


def _name(embed: Embed) -> str:
    named: Any = embed if hasattr(embed, "__qualname__") else type(embed)
    return f"{named.__module__}.{named.__qualname__}"


def _descriptions(database: Queryable, selection: Selection, model: str, has_tables: bool) -> list[dict[str, Any]]:
    if not has_tables:
        selection = newest(database, selection, _NEWEST)
    condition, parameters = selection.condition()
    described = (
        "SELECT task_description, group_concat(rowid) AS ids FROM executions"
        f" WHERE {condition} AND task_description <> '' GROUP BY 1"
    )
    if not has_tables:
        return database.query(f"SELECT *, NULL AS vector FROM ({described})", parameters)
    return database.query(
        f"SELECT d.task_description, ids, vector FROM ({described}) AS d LEFT JOIN description_vectors AS v"
        " ON v.task_description = d.task_description AND v.model = :model",
        {**parameters, "model": model},
    )


def _stored_probe(database: Queryable, model: str, probe: bytes) -> bytes:
    """Return the stored vector of the probe, or *probe* where the model has none yet."""
    rows = database.query("SELECT probe FROM vector_models WHERE model = ?", [model])
    if not rows:
        return probe
    stored: bytes = rows[0]["probe"]
    remedy = "Give each model a name of its own (embed_model), or delete those: learning-instrument prune --vectors"
    if len(stored) != len(probe):
        raise ConfigurationError(
            f"Invalid embed: its vectors have {len(probe) // BYTES} numbers, those stored as {model!r}"
            f" {len(stored) // BYTES}. {remedy} {shlex.quote(model)}."
        )
    if stored != probe and cosines(probe, [stored])[0] < _SAME:
        raise ConfigurationError(
            f"Invalid embed: its vectors are not of the model whose vectors are stored as {model!r}."
            f" {remedy} {shlex.quote(model)}."
        )
    return stored


def _embedded(
    database: Queryable | None,
    missing: list[str],
    embed: Embed,
    model: str,
    probe: bytes,
    progress: Progress | None,
) -> dict[str, bytes]:
    """Return the vectors of the *missing* descriptions; store them in the database, if there is one that keeps any."""
    keep = getattr(database, "_keep_vectors", None)  # a LearningDatabase has it
    if missing:
        where = "they are stored, so each is embedded once" if keep else "this database is only read, so none is stored"
        inform(log, "Embedding %d descriptions by %s: %s.", len(missing), model, where)
    embedded: dict[str, bytes] = {}
    for start in range(0, len(missing), _BATCH):
        texts = missing[start : start + _BATCH]
        batch = dict(zip(texts, _vectors(embed, texts, len(probe)), strict=True))
        if keep is not None:
            try:
                keep(model, probe, batch)
            except DatabaseError as error:
                warn(log, "Vectors by %s cannot be stored, and are made again next time: %s", model, error)
                keep = None
        embedded |= batch
        if progress is not None:
            progress("Embedding descriptions", len(embedded), len(missing))
    return embedded


def _vectors(embed: Embed, texts: list[str], size: int | None = None) -> list[bytes]:
    made = embed(texts)
    try:
        vectors = [packed(vector) for vector in made]
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"Invalid embed {embed!r}: {error}; expected one for each text, all of one length, of finite numbers."
        ) from error
    sizes = {len(vector) for vector in vectors} | ({size} if size else set())
    if len(vectors) != len(texts) or len(sizes) != 1:
        lengths = sorted({len(vector) // BYTES for vector in vectors})
        raise ConfigurationError(
            f"Invalid embed {embed!r}: it returned {len(vectors)} vectors of lengths {lengths} for {len(texts)}"
            " texts; expected one for each text, all of one length."
        )
    return vectors
