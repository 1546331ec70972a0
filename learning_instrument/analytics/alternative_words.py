"""The figures of one value side by side with others, in words for every view."""

from .. import formatting
from .intervals import Estimate
from .side_by_side import Alternative


def cost(each: Alternative, amount: Estimate | None) -> str:
    """Return *amount*, one of the costs of *each*, with its interval."""
    if each.cost_status == "unknown":
        return "unknown"
    if amount is None:
        return "no success"
    if each.cost_status == "lower bound":  # its interval is that of the known part
        return formatting.bound(formatting.dollars(amount.estimate), True)
    return formatting.estimated(amount, formatting.dollars)


def duration(each: Alternative) -> str | None:
    """Return how long executions of *each* take, with its interval; None where nothing was measured."""
    return None if each.duration_seconds is None else formatting.estimated(each.duration_seconds, formatting.seconds)
