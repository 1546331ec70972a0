"""Text to time and time to text: the column ``timestamp``, and ages and dates as people write them."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from .errors import ConfigurationError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def iso(moment: datetime) -> str:
    """Return *moment* as the column ``timestamp`` has it: ``2026-11-22T10:00:00.123456+00:00``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def iso_of_nanoseconds(nanoseconds: int) -> str:
    """Return a time since the epoch as the column ``timestamp`` has it. Fast, for the hot path."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_iso_second(seconds)}.{rest // 1000:06d}+00:00"


@lru_cache(maxsize=64)
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def from_iso(text: str) -> datetime:
    """Return the time of an ISO 8601 *text*, without a time zone where it names none.

    Raises:
        ValueError: for an invalid text.
    """
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text)  # Python 3.10 knows no Z


def age(text: str) -> timedelta:
    """Return the age that *text* means, such as ``30m``, ``24h``, ``7d`` or ``2w``.

    Raises:
        ConfigurationError: for an invalid age.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip(), re.ASCII)
    if match is not None:
        try:
            return timedelta(**{_UNITS[match[2]]: float(match[1])})
        except OverflowError:
            pass  # more than 2.7 million years
    raise ConfigurationError(f"Invalid age {text!r}: expected a number with a unit (30m, 24h, 7d, 2w).")


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time that *text* means: an age before now, a date, or a date and time; UTC by default.

    Raises:
        ConfigurationError: for an invalid time.
    """
    try:
        return (now or datetime.now(timezone.utc)) - age(text)
    except (ConfigurationError, OverflowError):
        pass
    try:
        parsed = from_iso(text.strip())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"Invalid time {text!r}: expected an age (24h, 7d) or a date (2026-11-22, 2026-11-22T10:00)."
        ) from None
