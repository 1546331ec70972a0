"""Counts each model call of an execution once, however many spans tell of it.

Two instrumentations of one client make two spans of one call, one within the other or side by side, and each may know
what the other does not. Spans of one call form a group, and a group is merged field by field.
"""

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from .model_calls import REPORTED, UNPRICED, ModelCall
from .same_call import (
    Spans,
    began_within,
    has_usage,
    is_aggregate,
    is_embedding,
    is_refused,
    may_be_same_model,
    tokens_of,
)
from .token_classes import further_of

Price = Callable[[ModelCall], ModelCall]

#: What the price of a call depends on.
_PRICED_BY: Final = (
    "model", "response_model", "provider", "operation", "input_tokens", "cached_tokens", "cache_write_tokens",
    "output_tokens", "usage", "finish_reason", "error_type",
)  # fmt: skip
#: One span may leave cached tokens out of the input: the highest count is that of all.
_COUNTS: Final = ("input_tokens", "cached_tokens", "cache_write_tokens")


def counted(
    calls: Sequence[ModelCall], own_span_id: str, price: Price, nested: Sequence[ModelCall] = ()
) -> list[ModelCall]:
    """Return the calls of one execution, each once.

    A call that failed before any answer is left out, and so is a span without usage that encloses calls. The usage of
    an agent's run counts where its calls are not known.

    Args:
        calls: all that is stored of the execution.
        own_span_id: the span of the execution itself, which encloses all of them.
        price: adds the cost to a call that was merged of several.
        nested: the calls of the executions within it, which a run may tell of, too.
    """
    single = [(group, merged(group, price)) for group in _groups(calls, own_span_id) if not all(map(is_refused, group))]
    return [call for group, call in single if not any(map(is_aggregate, group)) or _is_alone(call, single, nested)]


def told(calls: Sequence[ModelCall], own_span_id: str) -> list[ModelCall]:
    """Return the calls of one execution, each once, for a report: with those that failed before any answer.

    None is priced anew. Of the runs of agents and their like, only where there are no other calls.
    """
    groups = _groups(calls, own_span_id)
    groups = [group for group in groups if not any(map(is_aggregate, group))] or groups
    return [
        merged(group, functools.partial(_at_known_cost, group))._replace(
            timestamp=min(call.timestamp for call in group)
        )
        for group in groups
    ]


def _at_known_cost(group: Iterable[ModelCall], call: ModelCall) -> ModelCall:
    """Return *call*, merged of *group*, at the highest cost that is known of it."""
    dearest = max(group, key=lambda each: -1.0 if each.cost is None else each.cost)
    return call._replace(cost=dearest.cost, cost_source=dearest.cost_source, price_table=dearest.price_table)


def _groups(calls: Sequence[ModelCall], own_span_id: str) -> list[list[ModelCall]]:
    """Return the spans of each call, without those that have no usage and enclose others."""
    around = {span_id for call in calls if has_usage(call) for span_id in call.path.split()}
    return [
        group
        for group in Spans(calls, own_span_id).groups()
        if any(map(has_usage, group))
        or all(map(is_refused, group))
        or not any(call.span_id in around or is_aggregate(call) for call in group)
    ]


def _is_alone(run: ModelCall, others: Iterable[tuple[list[ModelCall], ModelCall]], nested: Iterable[ModelCall]) -> bool:
    """Tell whether the calls of an agent's *run* are not among *others* or *nested*, nor a run around it."""
    outside = set(run.path.split())
    within = [call for call in nested if has_usage(call) and not is_embedding(call) and began_within(run, call)]
    for group, call in others:
        if call is run or is_embedding(call):
            continue
        if is_aggregate(call):
            if call.span_id in outside and has_usage(call):
                return False
        elif any(run.span_id in each.path.split() for each in group):
            within.append(call)
    if any(may_be_same_model(run, call) for call in within):
        return False
    return not within or sum(map(tokens_of, within)) < tokens_of(run)


def merged(group: Sequence[ModelCall], price: Price) -> ModelCall:
    """Return one call of several spans of it: each field from a span that has it.

    A reported cost is kept, and so is the cost of a span that knows all that the others know; else the call is priced.
    """
    if len(group) == 1:
        return group[0]
    # In an order that does not depend on that of their arrival.
    spans = sorted(group, key=lambda call: (-_known(call), call.timestamp, call.trace_id, call.span_id))
    values = {name: _first(getattr(call, name) for call in spans) for name in ModelCall._fields}
    values |= {name: _most(getattr(call, name) for call in spans) for name in _COUNTS}
    values["output_tokens"] = _output(spans)
    values["duration_seconds"] = max(call.duration_seconds for call in spans)
    values["usage"] = _usage(spans)
    values["path"] = min((call.path for call in spans), key=len)
    if any(call.finish_reason is not None and call.error_type is None for call in spans):
        values["error_type"] = None
    call = ModelCall(**{**values, "cost": None, "cost_source": UNPRICED, "price_table": None})
    source = next((span for span in spans if span.cost_source == REPORTED and span.cost), None) or next(
        (span for span in spans if span.cost is not None and _priced_by(span) == _priced_by(call)), None
    )
    if source is None and (zero := next((span for span in spans if span.cost_source == REPORTED), None)):
        return price(call._replace(cost=zero.cost, cost_source=REPORTED))
    if source is None:
        return price(call)
    return call._replace(cost=source.cost, cost_source=source.cost_source, price_table=source.price_table)


def _known(call: ModelCall) -> int:
    return sum(getattr(call, name) is not None for name in (*_PRICED_BY, "cost"))


def _priced_by(call: ModelCall) -> tuple[Any, ...]:
    return tuple(getattr(call, name) for name in _PRICED_BY)


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _most(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def _output(spans: Sequence[ModelCall]) -> int | None:
    """Return the output by the span nearest to the wire that saw the end of the answer, else the highest."""
    known = [call for call in spans if call.output_tokens is not None]
    ended = [call for call in known if call.finish_reason is not None and call.error_type is None]
    if ended:
        return min(ended, key=lambda call: (call.duration_seconds, call.trace_id, call.span_id)).output_tokens
    return max((call.output_tokens or 0 for call in known), default=None)


def _usage(spans: Iterable[ModelCall]) -> str | None:
    """Return the further classes of tokens that any of *spans* names."""
    found: dict[str, Any] = {}
    for call in spans:
        for name, value in further_of(call).items():
            found.setdefault(name, value)
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else None
