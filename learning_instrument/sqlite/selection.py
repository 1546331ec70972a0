"""The arguments of every question: a database, and a selection of executions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from ..errors import ConfigurationError
from ..timestamps import iso
from .executions import DIMENSIONS

#: The dimensions that executions can be filtered by.
FILTERS: Final = ("repo", "pool_type", "model_tier", "task_type")


class Queryable(Protocol):
    """Answers questions in SQL: a :class:`LearningDatabase`, or any object with its ``query``."""

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ..., /) -> list[dict[str, Any]]:
        """Return the rows, column name -> value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The executions that a question is about. None: all.

    Args:
        since: the start of the window, with a time zone.
        until: its end, which is not in it.
        repo: the repository.
        pool_type: the pool that ran the task.
        model_tier: the tier of its model.
        task_type: the type of the task.

    Raises:
        ConfigurationError: for a time without a time zone, or an empty window.
    """

    since: datetime | None = None
    until: datetime | None = None
    repo: str | None = None
    pool_type: str | None = None
    model_tier: str | None = None
    task_type: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
                raise ConfigurationError(
                    f"Invalid {name} {moment!r}: expected a datetime with a time zone, such as timezone.utc."
                )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"Invalid window: since={_readable(self.since)} is not before until={_readable(self.until)}."
            )
        for name in FILTERS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"Invalid {name} {value!r}: expected text.")

    def __str__(self) -> str:
        """Return the window and the filters."""
        window = "..".join("" if moment is None else _readable(moment) for moment in (self.since, self.until))
        return ", ".join([window, *(f"{name}={value}" for name, value in self.values.items())])

    @property
    def values(self) -> dict[str, str]:
        """The filters that are set: dimension -> value."""
        return {name: getattr(self, name) for name in FILTERS if getattr(self, name) is not None}

    def condition(self) -> tuple[str, dict[str, Any]]:
        """Return the condition after WHERE in a question to ``executions``, and its named parameters."""
        terms = [f"{DIMENSIONS[name]} = :{name}" for name in self.values]
        parameters: dict[str, Any] = dict(self.values)
        if self.since is not None:
            terms.append("timestamp >= :since")
            parameters["since"] = iso(self.since)
        if self.until is not None:
            terms.append("timestamp < :until")
            parameters["until"] = iso(self.until)
        return " AND ".join(terms) or "1", parameters


def _readable(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")
