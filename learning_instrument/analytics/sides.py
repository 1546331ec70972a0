"""The sides of a comparison: what they are, how they are written, and whether they overlap."""

from dataclasses import dataclass
from datetime import datetime, timezone

from ..columns import metadata_key
from ..errors import ConfigurationError
from ..sqlite.dimensions import is_column
from ..sqlite.selection import Selection
from ..timestamps import moment


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


def side(text: str, now: datetime | None = None) -> Selection | Version:
    """Return the side that *text* names: ``2026-11-01..2026-11-08`` (either end may be left out), or ``NAME=VALUE``.

    A name is a column or ``metadata.KEY``; any other name is a key of metadata as well.

    Dates and times without a zone are UTC, and ``7d`` is seven days before now; a window ends before its second one.

    Args:
        text: such as ``14d..7d`` or ``version=1.4``.
        now: the time from which ages count, the same for both sides, so that one ends where the other begins; None: the
            present.

    Raises:
        ConfigurationError: for a text that is neither.
    """
    since, dots, until = text.partition("..")
    key, equals, value = text.partition("=")
    if dots and (since or until) and not equals:
        now = now or datetime.now(timezone.utc)
        return Selection(since=moment(since, now) if since else None, until=moment(until, now) if until else None)
    if equals and is_column(key):
        return Selection(where={key: value})
    name = metadata_key(key) or key
    if equals and name and name != "metadata.":
        return Version(name, value)
    raise ConfigurationError(
        f"Invalid side {text!r}: expected a window such as 2026-11-01..2026-11-08 or 7d.., or NAME=VALUE such as"
        " model=gpt-4o or metadata.version=1.4."
    )


def overlap(one: Selection, other: Selection) -> bool:
    """Tell whether an execution may be in both."""
    if any(name == same and value != another for name, value in one.filters for same, another in other.filters):
        return False
    first, last = sorted((one, other), key=lambda side: (side.since is not None, side.since or 0))
    return first.until is None or last.since is None or first.until > last.since
