"""``doctor``: findings about installation, environment and database, each with its remedy.

Each check is a function that yields findings, or nothing. No check changes anything.
"""

import os
from collections.abc import Mapping

from ...errors import LearningInstrumentError
from ...sqlite.read_only import ReadOnlyDatabase
from .contents import RECOVERY, examine_contents
from .derived import compare_derived
from .environment import examine_environment
from .finding import Finding, Severity
from .location import examine_location

__all__ = ["Finding", "Severity", "examine"]


def examine(path: str, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Return the findings about the installation, the environment and the database at *path*, the worst first.

    Args:
        path: the absolute path of the database.
        environment: by default ``os.environ``.
    """
    findings = list(examine_environment(os.environ if environment is None else environment))
    findings += examine_location(path)
    if os.path.exists(path):
        try:
            with ReadOnlyDatabase(path) as database:
                findings += examine_contents(database)
                findings += compare_derived(database)
        except LearningInstrumentError as error:
            is_damaged = "malformed" in str(error.__cause__)
            remedy = RECOVERY if is_damaged else "Name another file (--database)."
            findings.append(Finding("database", Severity.ERROR, str(error), remedy))
    return sorted(findings, key=lambda finding: list(Severity).index(finding.severity))
