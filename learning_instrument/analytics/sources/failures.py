"""Failures of one masked message: how often, when and where."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ... import message_templates
from ...rollups.error_counts import MESSAGE

PLACES: Final = ("pool_type", "model_tier", "repo")
#: SQL of the columns that ``message_of`` takes, of a message as it is stored.
NOT_MASKED: Final = f"{MESSAGE}, 0 AS is_masked"


class Failures(NamedTuple):
    """Failures with one error type, exception class and masked message. There may be several of the same."""

    #: Empty where there is none, as is the exception class.
    error_type: str
    exception_type: str
    message: str
    #: The timestamp of the first.
    first_seen: str
    #: Of each day: the timestamps of the first and the last, and the highest rowid.
    days: Sequence[Sequence[Any]]
    #: How many there are in each of :data:`PLACES` together; of the selected time alone.
    places: Sequence[Sequence[Any]]


def message_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return error type, exception class and masked message of a row with the columns of ``failure_columns``."""
    message = row["message"] if row["is_masked"] else message_templates.mask(row["message"])
    return row["error_type"], row["exception_type"], message
