"""Failures of one masked message: how often, when and where."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

PLACES: Final = ("pool_type", "model_tier", "repo")


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
