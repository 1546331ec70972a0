"""Formats values for people: numbers with their units, amounts, shares and what is left out of them."""

import math
from collections.abc import Callable, Sequence
from datetime import date as calendar_day
from datetime import datetime, timezone
from typing import Any, Final

_SHORT_ID: Final = 16
#: No duration is so long, 30,000 years, but another program may have written one: even an infinite one.
_LONG_SECONDS: Final = 1e12
#: In English, whatever the locale of the process is.
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def short_id(execution_id: str) -> str:
    """Return the first half of an execution's id: its start time, to the nanosecond."""
    return execution_id[:_SHORT_ID]


def day(moment: datetime) -> str:
    """Return the day of a moment in UTC."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d")


def date(day: calendar_day) -> str:
    """Return a day, or that of a moment in UTC, within a sentence: ``24 November``."""
    found = day.astimezone(timezone.utc) if isinstance(day, datetime) else day
    return f"{found.day} {_MONTHS[found.month - 1]}"


def short_date(day: calendar_day) -> str:
    """Return a day in short: ``24 Nov``."""
    return f"{day.day} {_MONTHS[day.month - 1][:3]}"


def seconds(value: float) -> str:
    """Return a duration: ``12 ms``, ``3.4 s``, ``2 m 05 s``, ``1 h 30 m``."""
    if value < 0:
        return f"-{seconds(-value)}"
    if value >= _LONG_SECONDS:
        return f"{value:.3g} s"
    if value < 0.0005:
        return f"{value * 1e6:.0f} us"
    if value < 0.9995:
        return f"{value * 1000:.{0 if value >= 0.00995 else 1}f} ms"
    if value < 99.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def dollars(value: float) -> str:
    """Return an amount of US dollars, small ones with as many digits as they need."""
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if abs(value) >= 0.995 else f"${value:.{4 if abs(value) >= 0.00095 else 7}f}"


def share(value: float) -> str:
    """Return a share of 1 as a percentage."""
    return f"{value:.1%}"


def percent(value: float) -> str:
    """Return a share of 1 in whole percents; all or none only where it is that: ``92%``, ``over 99%``, ``under 1%``."""
    if 0 < value < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < value < 1 else f"{value:.0%}"


def interval(value: Any) -> str:
    """Return a proportion and the interval that holds the true one: ``91.9% (90.6% to 93.0%)``."""
    return f"{share(value.estimate)} ({share(value.low)} to {share(value.high)})"


def estimated(figure: Any, show: Callable[[float], str]) -> str:
    """Return a figure and the interval that holds the true one, where there is enough data for one."""
    if figure.low is None or figure.high is None:
        return show(figure.estimate)
    return f"{show(figure.estimate)} ({show(figure.low)} to {show(figure.high)})"


def estimate(value: Any) -> str:
    """Return a proportion without its interval."""
    return share(value.estimate)


#: Explains the column of that name.
ASSUMED: Final = "Assumed successes only mean that nothing was raised: neither the result nor success_when said more."


def assumed_successes(assumed: int, succeeded: int) -> str:
    """Return how many of those that succeeded did not say so."""
    return f"{assumed:,} of the {succeeded:,} that succeeded returned without saying so"


def points(value: float) -> str:
    """Return a difference of two shares in percentage points: ``-2.5 points``."""
    return f"{value * 100:+.1f} points"


def points_between(low: float, high: float) -> str:
    """Return an interval of differences: ``-6.9 to -0.3 points``."""
    return f"{low * 100:+.1f} to {points(high)}"


def changes_between(low: float, high: float) -> str:
    """Return an interval of ratios: ``-6.3% to +6.4%``."""
    return f"{change(low)} to {change(high)}"


def p_value(value: float) -> str:
    """Return how likely something is by chance."""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def change(ratio: float) -> str:
    """Return a ratio of after to before as a change: ``+7.1%``."""
    return f"{ratio - 1:+.1%}"


def off_by(error: float) -> str:
    """Return how far estimates are off, as a factor: 0.25 is ``1.25x``."""
    return factor(1 + error)


def factor(value: float) -> str:
    """Return a factor to multiply by: ``1.25x``."""
    return f"{value:.2f}x"


def times(ratio: float) -> str:
    """Return a ratio within a sentence: ``1.8 times``, ``12 times``; infinity is ``many times``."""
    if ratio == math.inf:
        return "many times"
    if ratio >= 9.95:
        return f"{ratio:,.0f} times"
    return f"{ratio:.2g} times" if ratio >= 0.95 else f"{ratio:.2f} times"


def bound(amount: str, is_bound: bool) -> str:
    """Return an amount, marked where it is a lower bound: a part of it is unknown."""
    return f"at least {amount}" if is_bound else amount


def amount(known: float | None, is_bound: bool) -> str:
    """Return an amount of US dollars, marked where it is a lower bound; ``unknown`` where nothing is known."""
    return "unknown" if known is None else bound(dollars(known), is_bound)


def cost(known: float | None, on_failures: float | None, is_bound: bool) -> str:
    """Return the known cost, and the part of it spent on executions that did not succeed."""
    if known is None:
        return "unknown: no cost was reported"
    # There may be no failures, so that 0 is all of it.
    failures = "an unknown part" if on_failures is None else bound(dollars(on_failures), is_bound and on_failures > 0)
    return f"{bound(dollars(known), is_bound)} ({failures} on executions that did not succeed)"


def excluded_costs(partial: int, unpriced: int, unreported: int) -> list[str]:
    """Return the costs that no figure includes."""
    missing = []
    if partial:
        missing.append(f"a part of the cost of {counted(partial, 'execution')} (partial)")
    if unpriced:
        missing.append(f"{counted(unpriced, 'execution')} whose model calls could not be priced (unpriced)")
    if unreported:
        missing.append(f"{counted(unreported, 'execution')} with no reported cost")
    return missing


def missing_costs(partial: int, unpriced: int, unreported: int) -> list[str]:
    """Return in plain words what costs leave out: ``a part of the cost of 8 executions``, ``15 without a price``."""
    missing: list[str] = []
    for number, before, after in (
        (partial, "a part of the cost of ", ""),
        (unpriced, "", " that could not be priced"),
        (unreported, "", " without a reported cost"),
    ):
        if number:
            missing.append(f"{before}{f'{number:,}' if missing else counted(number, 'execution')}{after}")
    return missing


def lost(count: int, reason: str) -> str:
    """Return how many executions could not be recorded, and why."""
    if reason == "process ended":
        return f"{count:,} lost when their process ended" if count > 1 else "1 lost when its process ended"
    return f"{count:,} that could not be recorded ({reason})"


def prices(tables: Sequence[str]) -> str:
    """Return which price tables costs come from."""
    return tables[0] if len(tables) == 1 else f"{tables[0]} for the first calls, {tables[-1]} for the last"


def yes_or_no(value: Any) -> str:
    """Return a bool as a word."""
    return "yes" if value else "no"


def counted(number: int, thing: str) -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Return a number of bytes: ``12.3 MB``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number} bytes"
