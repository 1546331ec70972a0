"""Ages and moments as people write them: ``90d``, ``24h``, ``2026-11-22``."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from .errors import ConfigurationError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """Return the age that *text* means, such as ``30m``, ``24h``, ``7d`` or ``2w``.

    Raises:
        ConfigurationError: if it means none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip(), re.ASCII)
    if match is not None:
        try:
            return timedelta(**{_UNITS[match[2]]: float(match[1])})
        except OverflowError:
            pass  # longer than any age
    raise ConfigurationError(f"{text!r} is no age; write one such as 30m, 24h, 7d or 2w.")


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the moment that *text* means: an age before now, or a date, or a date and time. UTC where it says nothing.

    Raises:
        ConfigurationError: if it means none.
    """
    try:
        return (now or datetime.now(timezone.utc)) - age(text)
    except (ConfigurationError, OverflowError):
        pass
    try:
        # Python 3.10 does not know the Z.
        parsed = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{text!r} is no moment; write an age such as 24h or 7d, or a date such as 2026-11-22 or 2026-11-22T10:00."
        ) from None


def iso(moment: datetime) -> str:
    """Return *moment* as the column ``timestamp`` has it."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")
