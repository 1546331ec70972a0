"""Values as people read them."""

import re
from datetime import datetime, timezone
from typing import Any, Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def one_line(text: str) -> str:
    """Return *text* on one line, without what a terminal would obey."""
    return " ".join(_CONTROL.sub(" ", text).split())


def when(moment: datetime) -> str:
    """Return a moment in UTC, to the second."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def seconds(value: float) -> str:
    """Return a duration: ``12 ms``, ``3.4 s``, ``2 m 05 s``, ``1 h 30 m``."""
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


def yes_or_no(value: Any) -> str:
    """Return a bool as a word."""
    return "yes" if value else "no"


def counted(number: int, thing: str) -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def outcome_style(outcome: Any) -> str:
    """Return the style in which an outcome is shown."""
    return {"succeeded": "green", "cancelled": "yellow", "timeout": "magenta"}.get(getattr(outcome, "value", ""), "red")


def size(number: int) -> str:
    """Return a number of bytes: ``12.3 MB``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number} bytes"
