"""The findings of ``doctor``."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

#: How many of the last rows are looked at, where all of them would take long.
LAST_ROWS: Final = 50_000


class Severity(Enum):
    """How much a finding matters."""

    #: Executions are not recorded, or questions not answered.
    ERROR = "error"
    #: Something is lost, wrong or missing.
    WARNING = "warning"
    #: Good to know.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and its remedy."""

    check: str
    severity: Severity
    what: str
    remedy: str


def executions_are(number: int, singular: str, plural: str) -> str:
    """Return the number of executions, and the words that fit it."""
    return counted(number, "execution", singular, plural)


def counted(number: int, noun: str, singular: str, plural: str) -> str:
    """Return the number of things called *noun*, and the words that fit it."""
    return f"1 {noun} {singular}" if number == 1 else f"{number:,} {noun}s {plural}"
