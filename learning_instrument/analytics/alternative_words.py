"""The figures of one value side by side with others, in words for every view."""

from typing import Final

from .. import formatting
from .headings import Heading
from .intervals import Estimate, is_beyond_chance
from .names import named, nouns
from .side_by_side import Alternative, SideBySide

#: Characters of a name that a sentence has beside another one.
_NAME: Final = 24


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


def quality(each: Alternative) -> str | None:
    """Return the quality of *each*, from 0 to 100, with its interval; None where no execution has one."""
    return None if each.quality is None else formatting.estimated(each.quality, "{:.1f}".format)


def of_quality(found: SideBySide) -> Heading | None:
    """Return whether quality tells the values apart; None where no execution has one."""
    rated, executions = (sum(getattr(each, name) for each in found) for name in ("rated", "executions"))
    if not rated:
        return None
    one, several = nouns(found.by)
    support = f"{rated:,} of {formatting.counted(executions, 'execution')} have a quality"
    shared = [(each.quality, each.value) for each in found if each.compared and each.quality is not None]
    shared.sort(key=lambda item: item[0].estimate)
    if len(shared) < 2:
        return Heading(f"Too few executions have a quality to compare {several} by it", support)
    (low, lowest), (high, highest) = shared[0], shared[-1]
    pairs = len(shared) * (len(shared) - 1) / 2  # any of which could have differed
    if is_beyond_chance(low, high, pairs):
        return Heading(
            f"Quality is higher in {one} {named(highest, _NAME)} ({high.estimate:.1f} of 100)"
            f" than in {named(lowest, _NAME)} ({low.estimate:.1f})",
            f"not by chance; {support}",
        )
    return Heading(
        f"Quality does not tell the {len(shared)} {several} apart: {low.estimate:.1f} to {high.estimate:.1f} of 100",
        f"the difference may be chance; {support}",
    )
