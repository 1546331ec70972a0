"""One execution, whole: how it ended, where its time went, what it cost, and all that is stored of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from ... import formatting
from ...analytics import execution_words, story_words
from ...analytics.executions import is_cost_known, is_cost_partial
from ...analytics.story import Story
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable
from ...storage.feedback import Feedback
from ...timestamps import from_iso
from ..charts.waterfall import waterfall
from ..markup import Markup, element, joined, trusted
from ..record_cells import cost_of, error_of
from ..tables import Column, Table
from ..views import Links
from ..whole_story import whole_story

#: Lines of the timeline, and spans of model calls, that are shown.
_LINES: Final = 100
_CALLS: Final = 100
#: Characters of a text that are shown at once; the rest is a click away.
_TEXT: Final = 600
#: Characters that are escaped at a time, each of which may be six.
_PIECE: Final = 40
#: Fields that lead to another execution.
_LINKED: Final = frozenset(("parent_execution_id",))
#: Columns of model calls that say it in a unit.
_CALL_SHOWN: Final = {
    "cost": formatting.dollars,
    "duration_seconds": formatting.seconds,
    "time_to_first_chunk_seconds": formatting.seconds,
}
#: And what they are called then.
_CALL_NAMES: Final = {
    "timestamp": "start (UTC)",
    "duration_seconds": "length",
    "time_to_first_chunk_seconds": "first part after",
}
_MOMENT: Final = "timestamp"
_FEEDBACK: Final = (
    Column("when (UTC)", is_number=True),
    *map(Column, ("accepted", "rating", "source", "visibility", "comment")),
)


def execution_content(database: Queryable, execution_id: str, links: Links | None = None) -> Markup:
    """Return the ``<main>`` of one execution.

    Args:
        database: the one to ask.
        execution_id: its whole id.
        links: where it leads to; None: nowhere.

    Raises:
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the database cannot be read.
    """
    found = whole_story(database, execution_id, _CALLS + 1, _LINES)
    execution, leading = found.relatives.execution, links or Links()
    time_spent = story_words.time_spent(found.story).removesuffix(".")
    return element(
        "main",
        _title(execution),
        _tiles(execution, found.story),
        element(
            "div",
            _card("timeline", time_spent, waterfall(found.story, leading.execution)),
            _calls(found.relatives.model_calls),
            _feedback(found.feedback),
            _fields(execution, leading),
            class_="cards",
        ),
        id="main",
    )


def title_of(execution_id: str) -> str:
    """Return the title of the page."""
    return f"Execution {formatting.short_id(execution_id)}"


def _title(execution: ExecutionRecord) -> Markup:
    took = execution_words.duration(execution)
    ended = f"{execution.task_type}: {execution.outcome.value} after {'an unknown time' if took == 'unknown' else took}"
    error = None if execution.success else element("p", whole(error_of(execution)), class_="bad")
    where = element(
        "p", element("span", execution.execution_id, class_="id"), f" \u00b7 {_moment(execution.timestamp)}"
    )
    return element("div", element("h1", ended), where, error, class_="verdict")


def _tiles(execution: ExecutionRecord, told: Story) -> Markup:
    shown = (
        ("Cost", cost_of(execution), _cost_said(execution)),
        ("Tokens", *_tokens(execution)),
        ("Waited in the queue", _seconds(told.spent.queue_seconds), None),
        ("Attempt", f"{told.attempt:,} of {told.attempts:,}", None),
    )
    return element("dl", *(_tile(*tile) for tile in shown), class_="tiles")


def _tile(name: str, value: str, said: str | None) -> Markup:
    class_ = "figure unknown" if value == "unknown" else "figure"
    more = element("dd", said, class_="muted") if said else None
    return element("div", element("dt", name), element("dd", value, class_=class_), more, class_="tile")


def _cost_said(execution: ExecutionRecord) -> str | None:
    if is_cost_partial(execution):
        return "known in part: the rest is unknown"
    if not is_cost_known(execution):
        return "could not be priced" if execution.cost_source == "unpriced" else "not reported"
    return execution.cost_source


def _tokens(execution: ExecutionRecord) -> tuple[str, str | None]:
    """Return the tokens in all, and those in and out."""
    counts = (execution.input_tokens, execution.output_tokens)
    known = [count for count in counts if count is not None]
    if not known:
        return "unknown", None
    parts = ("?" if count is None else f"{count:,}" for count in counts)
    return formatting.bound(f"{sum(known):,}", len(known) < len(counts)), f"{' in, '.join(parts)} out"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else formatting.seconds(value)


def _card(name: str, heading: str, *children: Markup | None) -> Markup:
    anchor = f"{name}-heading"
    return element(
        "section", element("h2", heading, id=anchor), *children, id=name, aria_labelledby=anchor, class_="card wide"
    )


def _calls(calls: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not calls:
        return None
    shown = calls[:_CALLS]
    names = [
        name for name in execution_words.call_columns(shown) if any(call[name] not in (None, "") for call in shown)
    ]
    columns = tuple(Column(_CALL_NAMES.get(name, name.replace("_", " ")), _is_numeric(shown, name)) for name in names)
    table = Table(columns, tuple(tuple(_of_call(call, name) for name in names) for call in shown))
    heading = f"Model calls: {formatting.counted(len(shown), 'span')}"
    if len(calls) > _CALLS:
        heading = f"Model calls: the first {_CALLS} spans"
    return _card("calls", heading, table.markup(heading))


def _is_numeric(calls: Sequence[Mapping[str, Any]], name: str) -> bool:
    return name == _MOMENT or all(isinstance(call[name], (int, float, type(None))) for call in calls)


def _of_call(call: Mapping[str, Any], name: str) -> str | None:
    value = call[name]
    if value is None:
        return None
    if name == _MOMENT:
        return from_iso(value).astimezone(timezone.utc).strftime("%H:%M:%S.%f")[:-3]
    if isinstance(value, (int, float)) and name in _CALL_SHOWN:
        is_bound = name == "cost" and execution_words.is_call_partial(call)
        return formatting.bound(_CALL_SHOWN[name](value), is_bound)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _feedback(said: Sequence[Feedback]) -> Markup | None:
    if not said:
        return None
    heading = f"Feedback was given {formatting.counted(len(said), 'time')}"
    rows = tuple(
        (
            _moment(each.timestamp).removesuffix(" UTC"),
            None if each.accepted is None else formatting.yes_or_no(each.accepted),
            each.rating,
            each.source,
            each.visibility,
            each.comment and whole(each.comment),
        )
        for each in said
    )
    return _card("feedback", heading, Table(_FEEDBACK, rows).markup(heading))


def _fields(execution: ExecutionRecord, links: Links) -> Markup:
    """Return every field that has a value; defaults are marked, and what is missing is named."""
    found = execution_words.fields(execution, _moment)
    missing = execution_words.missing(execution)
    defaults = sum(said.is_default for said in found.values())
    rows = []
    for name, said in found.items():
        address = links.execution(said.text) if name in _LINKED else None
        text = element("a", said.text, href=address) if address else whole(said.text)
        mark = element("span", " (default: nothing was reported)", class_="muted") if said.is_default else None
        rows.append(joined(element("dt", name), element("dd", text, mark)))
    heading = f"All fields: {defaults:,} are defaults, {len(missing):,} not reported"
    absent = element("p", f"Not reported: {', '.join(missing)}.", class_="notes") if missing else None
    return _card("fields", heading, element("dl", *rows, class_="fields"), absent)


def whole(text: str) -> Markup:
    """Return a text with all its lines; where it is long, its end is shown by a click."""
    shown, rest = _lines(text[:_TEXT]), text[_TEXT:]
    if not rest:
        return shown
    summary = element("summary", f"{formatting.counted(len(rest), 'character')} more")
    return joined(shown, element("details", summary, _lines(rest)))


def _lines(text: str) -> Markup:
    lines = [
        joined(*(line[at : at + _PIECE] for at in range(0, len(line), _PIECE))) for line in text.splitlines() or [""]
    ]
    return trusted("<br>".join(lines))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(' ', 'milliseconds')} UTC"
