"""The sides of a comparison: what they are, how they are written, whether they overlap, and in what they differ."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ..columns import metadata_key
from ..errors import ConfigurationError
from ..sqlite.dimensions import is_column
from ..sqlite.selection import FILTERS, Queryable, Selection
from ..timestamps import moment
from .group_totals import totals
from .mix import mix_without


@dataclass(frozen=True, slots=True)
class Version:
    """Executions whose task's metadata have *value* under *key*, compared as text."""

    key: str
    value: str

    def __post_init__(self) -> None:
        """Check the values."""
        if metadata_key(f"metadata.{self.key}") is None:
            raise ConfigurationError(f"Invalid metadata key {self.key!r}: expected a name.")

    def __str__(self) -> str:
        """Return it as :func:`side` reads it."""
        return f"{self.key}={self.value}"


Side = Selection | Version
"""One side of a comparison."""


def side(text: str, now: datetime | None = None) -> Side:
    """Return the side that *text* names: a window, ``NAME=VALUE``, or several of these, which all hold.

    A window is ``2026-11-01..2026-11-08``, and ends before its second time; either end may be left out. Dates and times
    without a zone are UTC, and ``7d`` is seven days before now. A name is a column or ``metadata.KEY``; any other name
    is a key of metadata as well. A comma begins another condition where a window or ``NAME=`` follows it, else it is
    part of the value.

    Args:
        text: such as ``14d..7d``, ``model=gpt-4o`` or ``14d..7d,model=gpt-4o,version=1.4``.
        now: the time from which ages count, the same for both sides, so that one ends where the other begins; None: the
            present.

    Raises:
        ConfigurationError: for another text, and for two windows.
    """
    now = now or datetime.now(timezone.utc)
    window: Selection | None = None
    where: list[tuple[str, str]] = []
    for part in _parts(text):
        name, equals, value = part.partition("=")
        since, dots, until = part.partition("..")
        if equals and name and name != "metadata.":
            where.append((name if is_column(name) or metadata_key(name) else f"metadata.{name}", value))
        elif dots and (since or until) and not equals and window is None:
            window = Selection(since=moment(since, now) if since else None, until=moment(until, now) if until else None)
        else:
            raise ConfigurationError(
                f"Invalid side {text!r}: expected a window such as 2026-11-01..2026-11-08 or 7d.., NAME=VALUE such as"
                " model=gpt-4o or metadata.version=1.4, or one window and several of these with commas between them."
            )
    if window is None and len(where) == 1 and (key := metadata_key(where[0][0])) is not None:
        return Version(key, where[0][1])
    return (window or Selection()).narrowed(where)


def _parts(text: str) -> Iterator[str]:
    """Yield the conditions of a side."""
    part = ""
    for number, piece in enumerate(text.split(",")):
        if number and not _is_condition(piece):
            part += f",{piece}"
            continue
        if number:
            yield part
        part = piece
    yield part


def _is_condition(piece: str) -> bool:
    name, equals, _ = piece.partition("=")
    return bool(equals and name.strip()) or ".." in piece


def narrowed(selection: Selection, to: Side) -> Selection:
    """Return the executions of *selection* that are in one side: a window of the side is in place of its own."""
    if isinstance(to, Version):
        return selection.narrowed({f"metadata.{to.key}": to.value})
    own = {name: value for name in ("since", "until", *FILTERS) if (value := getattr(to, name)) is not None}
    return replace(selection, **own).narrowed(to.where)


def check_apart(database: Queryable, before: Side, after: Side, selection: Selection) -> None:
    """Check that the sides have no execution in common: it would be evidence against itself.

    Raises:
        ConfigurationError: if they have, or would have.
        DatabaseError: if the database cannot be read.
    """
    one, other = (narrowed(Selection(), side) for side in (before, after))
    if _differ(one, other):
        return
    since = max((side.since for side in (one, other) if side.since is not None), default=None)
    until = min((side.until for side in (one, other) if side.until is not None), default=None)
    if since is not None and until is not None and since >= until:
        return
    first, second = set(one.filters), set(other.filters)
    common = ""
    if not (first <= second or second <= first):
        both = narrowed(narrowed(selection, before), after)
        found = totals(database, (), replace(both, since=since or both.since, until=until or both.until), ())
        if not found:
            return
        common = f" in {found[()].count('executions'):,} executions"
    raise ConfigurationError(
        f"Invalid sides {before} and {after}: they overlap{common}; expected two without executions in common."
    )


def _differ(one: Selection, other: Selection) -> set[str]:
    """Return the names of the filters of which the sides have different values."""
    return {name for name, value in one.filters for same, another in other.filters if name == same and value != another}


def mix_between(before: Side, after: Side) -> tuple[str, ...]:
    """Return the dimensions that the executions of two sides are compared within: those in which they do not differ."""
    differ = _differ(*(narrowed(Selection(), side) for side in (before, after)))
    return mix_without(differ)
