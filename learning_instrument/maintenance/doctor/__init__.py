"""``doctor``: findings about installation, environment and database, each with its remedy.

Each check is a function that yields findings, or nothing. No check changes anything.
"""

import os
from collections.abc import Callable, Iterator, Mapping

from ...errors import LearningInstrumentError
from ...sqlite.read_only import VALUE_FAULTS, ReadOnlyDatabase
from ...sqlite.renewal import is_damage, is_ours
from .contents import CONTENTS, RECOVERY
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
                for check in (*CONTENTS, compare_derived):
                    findings += _checked(check, database)
        except LearningInstrumentError as error:
            can_recover = is_damage(error.__cause__ or error) and is_ours(os.path.realpath(path))
            remedy = RECOVERY if can_recover else "Name another file (--database), or restore a backup."
            findings.append(Finding("database", Severity.ERROR, str(error), remedy))
    return sorted(dict.fromkeys(findings), key=lambda finding: list(Severity).index(finding.severity))


def _checked(check: Callable[[ReadOnlyDatabase], Iterator[Finding]], database: ReadOnlyDatabase) -> list[Finding]:
    """Return the findings of *check*; where it meets invalid values, a finding that it could not be made."""
    try:
        return list(check(database))
    except VALUE_FAULTS:
        return [
            Finding(
                "checks",
                Severity.WARNING,
                f"Values in {database.path} keep some checks from being made.",
                "See the findings about values; where there is none, please report it.",
            )
        ]
