"""Finds the spans of an execution that tell of one and the same model call."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from ..timestamps import from_iso
from .model_calls import ModelCall
from .model_names import canonical_model
from .vocabularies import AGGREGATES, EMBEDDINGS

#: Times are stored in whole microseconds, and lengths as they were measured.
_ROUNDING: Final = 2e-6


def has_usage(call: ModelCall) -> bool:
    """Tell whether *call* has tokens or a cost."""
    return not (call.input_tokens is None and call.output_tokens is None and call.cost is None)


def is_refused(call: ModelCall) -> bool:
    """Tell whether *call* failed before any answer: such a call uses nothing."""
    signs = (call.response_id, call.finish_reason, call.time_to_first_chunk_seconds)
    return call.error_type is not None and not has_usage(call) and all(sign is None for sign in signs)


def is_aggregate(call: ModelCall) -> bool:
    """Tell whether *call* is a run of an agent, a chain or their like: its usage is that of the calls within it."""
    return call.operation in AGGREGATES


def is_embedding(call: ModelCall) -> bool:
    """Tell whether *call* is of a model that answers with no tokens."""
    return call.operation in EMBEDDINGS


def began_within(outer: ModelCall, call: ModelCall) -> bool:
    """Tell whether *call* began in the time of *outer*."""
    start, end = _times(outer)
    return start - _ROUNDING <= _times(call)[0] <= end + _ROUNDING


def tokens_of(call: ModelCall) -> int:
    """Return the tokens of *call*; an unknown number counts as 0."""
    return (call.input_tokens or 0) + (call.output_tokens or 0)


def may_be_same_model(one: ModelCall, other: ModelCall) -> bool:
    """Tell whether two spans name one model, by the price list's name of it, or either names none."""
    names, others = _names(one), _names(other)
    if not names or not others or not names.isdisjoint(others):
        return True
    return not _canonical(one).isdisjoint(_canonical(other))


class Spans:
    """Spans of calls, to be grouped by the call that they tell of.

    Args:
        calls: the calls of one execution.
        own_span_id: the span of the execution, which encloses all of them.
    """

    def __init__(self, calls: Sequence[ModelCall], own_span_id: str) -> None:
        self._calls = sorted(calls, key=lambda call: (call.timestamp, call.trace_id, call.span_id))
        self._own_span_id = own_span_id
        self._leader = list(range(len(calls)))
        #: Of each group, by its leader.
        self._scopes = [{call.scope} for call in self._calls]
        self._ids = [{call.response_id} - {None} for call in self._calls]
        #: Spans that repeat what others tell.
        self._repeats: set[int] = set()

    def groups(self) -> list[list[ModelCall]]:
        """Return the calls, those of one call together, without spans that only add up others."""
        self._join_response_ids()
        self._join_nested()
        if len({call.scope for call in self._calls}) > 1:
            self._join_siblings(_have_same_tokens)
            self._join_siblings(_may_have_same_tokens)
        self._join_late_usage()
        groups: dict[int, list[ModelCall]] = defaultdict(list)
        for index, call in enumerate(self._calls):
            if index not in self._repeats:
                groups[self._find(index)].append(call)
        return list(groups.values())

    def _find(self, index: int) -> int:
        while self._leader[index] != index:
            self._leader[index] = index = self._leader[self._leader[index]]
        return index

    def _join(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        if one != other:
            self._leader[other] = one
            self._scopes[one] |= self._scopes[other]
            self._ids[one] |= self._ids[other]

    def _may_be_same(self, one: int, other: int) -> bool:
        """Tell whether two spans may be of one call by what both of them say, tokens aside."""
        first, second = self._calls[one], self._calls[other]
        ids, others = self._ids[self._find(one)], self._ids[self._find(other)]
        return (
            not (ids and others and ids.isdisjoint(others))
            and is_aggregate(first) == is_aggregate(second)
            and (first.operation is None or second.operation is None or is_embedding(first) == is_embedding(second))
            and may_be_same_model(first, second)
        )

    def _join_response_ids(self) -> None:
        first: dict[str, int] = {}
        for index, call in enumerate(self._calls):
            if call.response_id is not None and not is_aggregate(call):
                self._join(first.setdefault(call.response_id, index), index)

    def _join_nested(self) -> None:
        """Join each span to at most one of those within it, of which it is the nearest around."""
        index_of = {call.span_id: index for index, call in enumerate(self._calls) if not is_aggregate(call)}
        index_of.pop(self._own_span_id, None)
        within: dict[int, list[int]] = defaultdict(list)
        for index, call in enumerate(self._calls):
            outer = next((index_of[span_id] for span_id in call.path.split() if span_id in index_of), None)
            if outer is not None and not is_refused(call) and not is_aggregate(call):
                within[outer].append(index)
        for outer, inner in within.items():
            if _is_sum(self._calls[outer], [self._calls[index] for index in inner]):
                self._choose(outer, inner)
            else:
                self._join_one(outer, [index for index in inner if self._may_be_same(outer, index)])

    def _join_one(self, outer: int, inner: Sequence[int]) -> None:
        for agree in (_have_same_tokens, _may_have_same_tokens):
            for index in inner:
                if agree(self._calls[outer], self._calls[index]):
                    self._join(outer, index)
                    return

    def _choose(self, outer: int, inner: Sequence[int]) -> None:
        """Leave out the spans within a sum if it alone knows their cost, and else the sum."""
        whole, parts = self._calls[outer], [self._calls[index] for index in inner]
        if whole.cost is None or all(part.cost is not None for part in parts):
            self._repeats.add(outer)
            return
        self._repeats |= {index for index, call in enumerate(self._calls) if whole.span_id in call.path.split()}
        self._calls[outer] = whole._replace(
            input_tokens=sum(part.input_tokens or 0 for part in parts),
            output_tokens=sum(part.output_tokens or 0 for part in parts),
        )

    def _join_siblings(self, agree: Callable[[ModelCall, ModelCall], bool]) -> None:
        """Join spans of different scopes side by side, one in the time of the other, one to one."""
        of_all = {call.scope for call in self._calls}
        times = {
            index: _times(call)
            for index, call in enumerate(self._calls)
            if not is_refused(call) and index not in self._repeats and self._scopes_of(index) != of_all
        }
        #: Of each scope, the ends of the earlier spans in order, each with its index.
        earlier: dict[str | None, list[tuple[float, int]]] = {scope: [] for scope in of_all}
        for index in sorted(times, key=lambda index: (times[index][0], -times[index][1])):
            end = times[index][1]
            around = []
            for scope in of_all - {self._calls[index].scope}:
                ends = earlier[scope]
                later = range(bisect_left(ends, (end - _ROUNDING, -1)), len(ends))
                place = next((place for place in later if self._are_siblings(ends[place][1], index, agree)), None)
                if place is not None:
                    around.append((*ends[place], scope, place))
            if around:  # the one that ends first: the others may be around a longer span
                _, outer, scope, place = min(around)
                self._join(outer, index)
                if self._scopes_of(outer) == of_all:
                    del earlier[scope][place]
                    continue
            insort(earlier[self._calls[index].scope], (end, index))

    def _scopes_of(self, index: int) -> set[str | None]:
        return self._scopes[self._find(index)]

    def _are_siblings(self, one: int, other: int, agree: Callable[[ModelCall, ModelCall], bool]) -> bool:
        first, second = self._calls[one], self._calls[other]
        return (
            agree(first, second)
            and self._scopes_of(one).isdisjoint(self._scopes_of(other))
            and first.span_id not in second.path
            and second.span_id not in first.path
            and self._may_be_same(one, other)
        )

    def _join_late_usage(self) -> None:
        """Join a span without length, which tells what a streamed call used, to that call's span of the same scope."""
        order = sorted(range(len(self._calls)), key=lambda index: self._calls[index].timestamp)
        without = [i for i in order if not has_usage(self._calls[i]) and self._calls[i].error_type is None]
        for index in order:
            late = self._calls[index]
            if late.duration_seconds > 0 or not has_usage(late):
                continue
            for call in reversed(without):
                if (
                    self._calls[call].scope == late.scope
                    and self._calls[call].timestamp <= late.timestamp
                    and self._may_be_same(call, index)
                ):
                    self._join(call, index)
                    without.remove(call)
                    break


def _names(call: ModelCall) -> set[str]:
    return {name.lower() for name in (call.model, call.response_model) if name is not None}


def _canonical(call: ModelCall) -> set[str]:
    return {canonical_model(name) for name in (call.model, call.response_model) if name is not None}


def _have_same_tokens(one: ModelCall, other: ModelCall) -> bool:
    return (
        one.input_tokens is not None
        and one.output_tokens is not None
        and (one.input_tokens, one.output_tokens) == (other.input_tokens, other.output_tokens)
    )


def _may_have_same_tokens(one: ModelCall, other: ModelCall) -> bool:
    """Tell whether two spans agree on the tokens that both report; one may leave cached ones out of the input."""
    return (
        one.output_tokens is None or other.output_tokens is None or one.output_tokens == other.output_tokens
    ) and not (
        one.input_tokens is not None and other.input_tokens is not None and _inputs(one).isdisjoint(_inputs(other))
    )


def _inputs(call: ModelCall) -> set[int]:
    fresh = call.input_tokens or 0
    return {fresh, fresh + (call.cached_tokens or 0) + (call.cache_write_tokens or 0)}


def _is_sum(whole: ModelCall, parts: Sequence[ModelCall]) -> bool:
    """Tell whether *whole* adds up several calls within it."""
    parts = [part for part in parts if has_usage(part)]
    if len(parts) < 2 or not has_usage(whole):
        return False
    return whole.input_tokens in (None, sum(part.input_tokens or 0 for part in parts)) and whole.output_tokens in (
        None,
        sum(part.output_tokens or 0 for part in parts),
    )


def _times(call: ModelCall) -> tuple[float, float]:
    """Return when the span of *call* began and ended, in seconds."""
    start = from_iso(call.timestamp).timestamp()
    return start, start + call.duration_seconds
