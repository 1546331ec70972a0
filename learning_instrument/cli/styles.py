"""The styles in which a terminal shows words that say how good something is."""

from typing import Any


def outcome_style(outcome: Any) -> str:
    """Return the style in which an outcome is shown."""
    colours = {"succeeded": "green", "cancelled": "yellow", "timeout": "magenta"}
    return colours.get(getattr(outcome, "value", outcome), "red")


def likeness_style(likeness: str) -> str:
    """Return the style in which the word for a score of likeness is shown."""
    return {"close": "green", "far": "dim"}.get(likeness, "")


def verdict_style(verdict: str) -> str:
    """Return the style in which a comparison's verdict is shown."""
    return {"better": "green", "worse": "red", "dominated": "red"}.get(verdict.partition(" ")[0], "")
