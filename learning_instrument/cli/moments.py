"""Formats moments, in UTC or under ``--local`` in the time zone of this machine."""

from datetime import datetime, timezone

from .terminal import LOCAL, is_told


def when(moment: datetime, to: str = "seconds") -> str:
    """Return a moment with its time zone: ``2026-11-22 10:00:00 UTC``, or with +01:00 under ``--local``."""
    return clock(moment, to) if is_told(LOCAL) else f"{clock(moment, to)} UTC"


def clock(moment: datetime, to: str = "seconds") -> str:
    """Return a moment, for a column whose heading has the :func:`zone`."""
    if is_told(LOCAL):
        return moment.astimezone().isoformat(" ", to)
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(" ", to)


def zone() -> str:
    """Return the time zone of moments: UTC, or local, where each has its own difference from UTC."""
    return "local" if is_told(LOCAL) else "UTC"
