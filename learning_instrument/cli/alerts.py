"""The alerts of a watch: documents of counts, templates and ids, with one field of text that a chat can show.

No alert has what people wrote. A template is the constant part of an error message, with masks for the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from .. import formatting
from ..analytics.budget_use import BudgetUse
from ..analytics.bursts import WINDOW, Burst
from ..analytics.news import GroupNews
from ..columns import UNKNOWN
from ..safety.control_characters import one_line
from ..storage.alert_memory import Alert

NEW_GROUP: Final = "new_error_group"
GROUP_BACK: Final = "error_group_back"
BURST: Final = "burst"
BUDGET: Final = "budget"
#: The shares of a budget at which there is an alert.
SHARES: Final = (0.8, 1.0)
_CHARACTERS: Final = 200
#: A chat takes <!channel> for a command, and a backtick for the end of a quotation.
_HARMLESS: Final = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'"})


@dataclass(frozen=True, slots=True)
class Origin:
    """What every alert says: of which file, when, and of which executions."""

    database: str
    when: datetime
    filters: str

    def alert(self, kind: str, subject: str, text: str, **fields: Any) -> Alert:
        """Return an alert."""
        common = {"database": self.database, "when": self.when.isoformat(), "filters": self.filters}
        return Alert(kind, subject, {"kind": kind, "text": text, **common, **fields})

    def __str__(self) -> str:
        """Return the file and the filters."""
        return _quotable(f"{self.database} ({self.filters})" if self.filters else self.database)


def subject_of(group: GroupNews) -> str:
    """Return what tells *group* from others in the file: no text of a message."""
    return sha256("\0".join(group.founder).encode("utf-8", "replace")).hexdigest()[:32]


def group_alerts(origin: Origin, groups: Sequence[GroupNews], most: int) -> Iterator[Alert]:
    """Yield the alerts of the first *most* error groups that are new or back; the last says how many more there are."""
    for number, group in enumerate(groups[:most], 1):
        more = len(groups) - most if number == most else 0
        error_type, exception_type, _ = group.founder
        what = "New error group"
        if group.is_back and group.silence_seconds is not None:
            what = f"Error group back after {formatting.counted(int(group.silence_seconds // 86400), 'day')}"
        kind = exception_type or ("" if error_type == UNKNOWN else error_type)
        yield origin.alert(
            GROUP_BACK if group.is_back else NEW_GROUP,
            subject_of(group),
            f"{what} in {origin}: {formatting.counted(group.failures, 'failure')}, `{_quotable(group.template)}`"
            + (f" ({_quotable(kind)})" if kind else "")
            + (f"; and {more:,} more groups" if more else ""),
            template=group.template,
            error_type=error_type or None,
            exception_type=exception_type or None,
            failures=group.failures,
            first_seen=group.first_seen.isoformat(),
            last_seen=group.last_seen.isoformat(),
            silence_seconds=group.silence_seconds,
            more_groups=more,
            execution_ids=group.examples,
        )


def burst_alert(origin: Origin, burst: Burst, examples: Sequence[str]) -> Alert:
    """Return the alert of a burst of failures."""
    minutes = int(WINDOW.total_seconds() // 60)
    share, before = burst.failures / burst.executions, burst.failures_before / max(1, burst.executions_before)
    return origin.alert(
        BURST,
        "",
        f"Burst of failures in {origin}: {burst.failures:,} of {formatting.counted(burst.executions, 'execution')}"
        f" ({formatting.share(share)}) in {minutes} minutes; in the day before {formatting.share(before)}",
        minutes=minutes,
        failures=burst.failures,
        executions=burst.executions,
        failures_before=burst.failures_before,
        executions_before=burst.executions_before,
        p_value=burst.p_value,
        execution_ids=tuple(examples),
    )


def budget_subject(use: BudgetUse, share: float) -> str:
    """Return which limit of which period *share* is."""
    return f"{use.budget_usd:g} {use.period} {use.period_start:%Y-%m-%d} {share:g}"


def budget_alert(origin: Origin, use: BudgetUse, share: float) -> Alert:
    """Return the alert of a budget of which a *share* is spent."""
    spent = formatting.bound(formatting.dollars(use.spent_usd), bool(use.partial or use.unpriced))
    return origin.alert(
        BUDGET,
        budget_subject(use, share),
        f"{share:.0%} of a budget in {origin}: spent {spent} of {formatting.dollars(use.budget_usd)} a {use.period}"
        f" ({formatting.share(use.spent_usd / use.budget_usd)}), renewed on {formatting.day(use.period_end)}",
        share=share,
        spent_usd=use.spent_usd,
        budget_usd=use.budget_usd,
        period=use.period,
        period_start=use.period_start.isoformat(),
        period_end=use.period_end.isoformat(),
        partial=use.partial,
        unpriced=use.unpriced,
    )


def _quotable(text: str) -> str:
    return one_line(text).translate(_HARMLESS)[:_CHARACTERS]
