"""The findings of ``doctor``."""

from dataclasses import dataclass
from enum import Enum


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
