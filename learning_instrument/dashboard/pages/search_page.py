"""Executions as rows, the newest first or the most alike first: what a chart leads to, and what a search finds."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Final

from ... import formatting
from ...analytics import execution_words
from ...analytics.executions import execution_id_of, latest
from ...analytics.similarity import SimilarExecution, similar_executions
from ...analytics.values import unmatched
from ...errors import ConfigurationError, UnknownExecutionError
from ...outcome import Outcome
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable, Selection
from ...timestamps import iso, moment
from ..markup import Child, Markup, element, joined
from ..record_cells import cost_of
from ..tables import Column, Table
from ..views import Links

#: The rows of a page.
ROWS: Final = 50
#: The outcome that stands for all but success.
UNSUCCESSFUL: Final = "unsuccessful"
OUTCOMES: Final = (UNSUCCESSFUL, *(outcome.value for outcome in Outcome))


_COLUMNS: Final = (
    Column("Started (UTC)"),
    Column("Id"),
    Column("Task type"),
    Column("Pool"),
    Column("Tier"),
    Column("Outcome"),
    Column("Duration", is_number=True),
    Column("Cost", is_number=True),
    Column("About"),
)
_BETWEEN: Final = "~"


@dataclass(frozen=True, slots=True)
class Search:
    """What rows are wanted.

    Raises:
        ConfigurationError: for an unknown outcome or an invalid place.
    """

    selection: Selection = field(default_factory=Selection)
    #: The description of a task, or the beginning of an id; empty: all.
    words: str = ""
    #: One of :data:`OUTCOMES`; empty: any.
    outcome: str = ""
    #: The last row of the page before, as :func:`place_of` writes it; empty: this is the first.
    after: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.outcome and self.outcome not in OUTCOMES:
            raise ConfigurationError(f"Invalid outcome {self.outcome!r:.100}: expected one of {', '.join(OUTCOMES)}.")
        self.place()

    @property
    def chosen(self) -> Selection:
        """The executions that the search is among."""
        if self.outcome in ("", UNSUCCESSFUL):
            return self.selection
        return self.selection.narrowed({"outcome": self.outcome})

    def place(self) -> tuple[datetime, str] | None:
        """Return the row that the page comes after."""
        if not self.after:
            return None
        started, _, execution_id = self.after.partition(_BETWEEN)
        return moment(started), execution_id


def place_of(execution: ExecutionRecord) -> str:
    """Return the place of a row in the list."""
    return f"{iso(execution.timestamp)}{_BETWEEN}{execution.execution_id}"


def search_content(database: Queryable, search: Search, links: Links, next_page: Callable[[str], str]) -> Markup:
    """Return the ``<main>`` of a search.

    Args:
        database: the one to search.
        search: what is wanted.
        links: where the rows lead.
        next_page: place of the last row -> the address of the page after it.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    more = None
    notes: list[Child] = []
    if search.words:
        rows = _alike(database, search, links)
        notes = [*_by_id(database, search.words, links), "The most like these words come first."]
    else:
        found = list(latest(database, search.chosen, ROWS + 1, search.outcome == UNSUCCESSFUL, search.place()))
        rows = [_row(execution, links) for execution in found[:ROWS]]
        more = next_page(place_of(found[ROWS - 1])) if len(found) > ROWS else None
    if not rows:
        notes = [*notes[:-1], "No executions.", *map(str, unmatched(database, search.chosen))]
    window = element("p", str(search.chosen).strip("."), class_="muted small")
    table = element("section", Table(_COLUMNS, tuple(rows)).markup("Executions"), class_="card wide") if rows else None
    return element(
        "main",
        element("div", element("h1", "Executions"), window, class_="title"),
        *(element("p", note, class_="muted") for note in notes),
        table,
        element("p", element("a", f"The {ROWS} before these", href=more, rel="next")) if more else None,
        id="main",
    )


def _row(execution: ExecutionRecord, links: Links) -> tuple[Child, ...]:
    return (
        _clock(execution.timestamp),
        _linked(execution.execution_id, links),
        execution.task_type,
        execution.pool_type,
        execution.model_tier,
        execution.outcome.value,
        execution_words.duration(execution),
        cost_of(execution),
        execution.error_message or execution.task_description,
    )


def _alike(database: Queryable, search: Search, links: Links) -> list[tuple[Child, ...]]:
    chosen = search.chosen
    if search.outcome == UNSUCCESSFUL:
        chosen = chosen.narrowed({"success": "false"})
    found = similar_executions(database, search.words, chosen, limit=ROWS)
    return [_similar(each, links) for each in found]


def _similar(each: SimilarExecution, links: Links) -> tuple[Child, ...]:
    return (
        _clock(each.timestamp),
        _linked(each.execution_id, links),
        each.task_type,
        each.pool_type,
        each.model_tier,
        each.outcome,
        "unknown" if each.duration_seconds is None else formatting.seconds(each.duration_seconds),
        formatting.amount(each.cost_usd, each.is_partial),
        each.task_description,
    )


def _by_id(database: Queryable, words: str, links: Links) -> Sequence[Markup]:
    with contextlib.suppress(UnknownExecutionError):
        execution_id = execution_id_of(database, words)
        return [joined("The execution of this id: ", _linked(execution_id, links), ".")]
    return []


def _linked(execution_id: str, links: Links) -> Markup:
    address = links.execution(execution_id)
    short = element("span", formatting.short_id(execution_id), class_="id")
    return short if address is None else element("a", short, href=address)


def _clock(moment: datetime) -> Markup:
    return element("time", moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S"), datetime=iso(moment))
