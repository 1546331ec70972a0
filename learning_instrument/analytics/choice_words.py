"""Which value of a dimension to use, and how its values differ, in words for every heading."""

import math
from collections.abc import Sequence
from typing import Final

from .. import formatting
from .choice import Choice, cost_per_success, is_shown_worse, success_rate
from .names import named, nouns
from .side_by_side import Alternative, SideBySide

#: Characters of a name that a sentence has beside two others, and of the names and intervals in a line of evidence.
_SHORT_NAME: Final = 24
_EVIDENCE: Final = 90
#: How many times as much another value costs at least, where that is worth a word.
_LEAST_COSTS: Final = 1.1
#: Characters of an advice, beyond which its reason is told as evidence.
_ADVICE: Final = 112


def advised(
    found: SideBySide, choice: Choice | None, failing: str | None = None, when: str = "", since: str = ""
) -> tuple[str, list[str]]:
    """Return which values of *found* to use, and what there was no room for.

    Args:
        found: the values, two of which are compared.
        choice: what was chosen of them.
        failing: one that is not to be used, for the time being.
        when: the days of the figures, where these are in the past: ``before Tuesday``.
        since: how the one that was chosen has done since: ``, 93% since Thursday``.
    """
    one, several = nouns(found.by)
    compared = [each for each in found.alternatives if each.compared and each.value != failing]
    low, high = min(compared, key=success_rate), max(compared, key=success_rate)
    shares = _from_to(formatting.percent(low.success.estimate), formatting.percent(high.success.estimate))
    if choice is None:
        executions = sum(each.compared for each in compared)
        if not high.success.estimate:
            return f"No {one} can be advised: none of {executions:,} executions succeeded", []
        if all(each.cost_status == "unknown" for each in compared):
            return f"No cost of {several} was reported, and success differs little: {shares}", []
        return f"Too little is known to choose a {one}: {shares} of {executions:,} executions succeed", []
    best, rival = choice.best, choice.rival
    if len(best) == len(compared) > 1:
        return f"Nothing tells the {len(compared)} {several} apart: {shares} succeed", []
    names = [named(each.value) for each in best]
    use = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    use = f"Until {one} {named(failing)} recovers, use {use}" if failing is not None else f"Use {one} {use}"
    share = _from_to(*(formatting.percent(pick(each.success.estimate for each in best)) for pick in (min, max)))
    succeed = f"{share} succeeded {when}{since}" if when else f"{share} succeed"
    if rival is None:
        amount = cost_per_success(best[0])
        at = f" at {formatting.dollars(amount)} for each success" if 0 < amount < math.inf else ""
        return f"{use}: {succeed}{at}", []
    against = _against(best[0], choice, bool(when))
    text = f"{use}: {succeed}"
    most = _ADVICE + len(since)
    return (f"{text}; {against}", []) if len(text) + len(against) <= most else (text, [against])


def _against(best: Alternative, choice: Choice, is_past: bool) -> str:
    """Return what a reader would ask of another value."""
    rival = choice.rival
    assert rival is not None
    name, share = named(rival.value), formatting.percent(rival.success.estimate)
    ours, theirs = cost_per_success(best), cost_per_success(rival)
    ratio = theirs / ours if 0 < ours < math.inf and math.isfinite(theirs) else None
    if ratio is not None and ratio < 1:
        return f"with {name} only {share} {'did' if is_past else 'do'}, at {formatting.percent(ratio)} of the cost"
    costs = "" if ratio is None or ratio < _LEAST_COSTS else f" costs {formatting.times(ratio)} as much"
    if ratio is None and best.cost_status == "unknown":
        return f"with {name} {share} {'did' if is_past else 'do'}; no cost was reported"
    if choice.is_rival_better:
        return f"{name} does better ({share}) but{costs}" if costs else f"{name} does better ({share})"
    if choice.is_rival_worse:
        return f"{name} does worse ({share}){f' and{costs}' if costs else ''}"
    if rival.success.estimate > best.success.estimate:
        points = round(100 * (rival.success.estimate - best.success.estimate))
        lead = f"lead of {formatting.counted(points, 'point')}" if points else "lead"
        return f"{name}{costs}, and its {lead} may be chance" if costs else f"the {lead} of {name} may be chance"
    return f"{name} does no better{f' and{costs}' if costs else ''}"


def ranked(compared: Sequence[Alternative], one: str, several: str) -> str:
    """Return which value succeeds most, of a dimension whose values are not chosen."""
    low, high = min(compared, key=success_rate), max(compared, key=success_rate)
    most, least = (formatting.percent(each.success.estimate) for each in (high, low))
    if is_shown_worse(low, high, len(compared)):
        return f"{one} {named(high.value)} succeeds most ({most}), {named(low.value)} least ({least})"
    return f"Nothing tells the {len(compared)} {several} apart: {_from_to(least, most)} succeed"


def support(found: SideBySide, alternatives: Sequence[Alternative]) -> list[str]:
    """Return how many of *alternatives* succeed, with 95% intervals, and over what."""
    line = "success: "
    for number, each in enumerate(alternatives):
        share, low, high = (
            f"{value * 100:.0f}" for value in (each.success.estimate, each.success.low, each.success.high)
        )
        said = f"{', ' if number else ''}{named(each.value, _SHORT_NAME)} {share}% ({low} to {high})"
        if number and len(line) + len(said) > _EVIDENCE:
            line += f" and {len(alternatives) - number} more"
            break
        line += said
    parts = [line]
    if found.mix and len(alternatives) > 1:
        parts.append("same mix of tasks")
    if found.skips_complexity:
        parts.append("whatever their complexity: too many to read")
    if any(each.has_few_days for each in alternatives):
        parts.append("of few days, which differ")
    return parts


def figures(alternative: Alternative) -> str:
    """Return how many succeed, and what each success costs."""
    succeed = f"{formatting.percent(alternative.success.estimate)} succeed"
    amount = alternative.cost_per_success_usd
    if alternative.cost_status == "unknown":
        return f"{succeed}, no cost was reported"
    if amount is None:
        return "none succeeds"
    if alternative.cost_status == "lower bound":
        return f"{succeed}, for at least {formatting.dollars(amount.estimate)} each"
    return f"{succeed} at {formatting.dollars(amount.estimate)} for each success"


def _from_to(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
