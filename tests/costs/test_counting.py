"""Each model call counts once, however many spans tell of it, and in any order of their arrival."""

import json
import random

import pytest
from calls import START, calls, costs, execution, span, usage
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from learning_instrument import SQLiteSpanExporter
from learning_instrument.costs.counting import counted, merged
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.costs.prices import prices_of
from learning_instrument.timestamps import iso_of_nanoseconds

A, B, C = map(InstrumentationScope, "abc")
PRICES = {name: {"input": 1.0, "output": 1.0} for name in ("m", "big", "small", "embedder")}
OWN = "f" * 16
SECOND = 1_000_000_000


def told(name, span_id, *, path=(), at=0.0, lasts=1.0, model="m", tokens=(1000, 100), **more):
    """Return a stored span of a call, by the scope *name*."""
    counts = dict(zip(("input_tokens", "output_tokens"), tokens or (None, None), strict=True))
    values = {
        "execution_id": "e", "trace_id": "1" * 32, "span_id": f"{span_id:016x}",
        "parent_span_id": None, "path": " ".join(f"{each:016x}" for each in path), "awaited_span_id": None,
        "timestamp": iso_of_nanoseconds(START + round(at * SECOND)), "model": model, "response_model": None,
        "provider": None, "cached_tokens": None, "cache_write_tokens": None, "cost": None, "cost_source": "unpriced",
        "price_table": None, "duration_seconds": lasts, "error_type": None, "scope": name, "operation": "chat",
        "finish_reason": "stop", **counts, **more,
    }  # fmt: skip
    if values["cost"] is not None:
        values["cost_source"] = "reported"
    return prices_of(PRICES).priced(ModelCall(**values))


def tokens(*spans, seed=0):
    """Return the tokens of the calls that *spans* tell of, in any order of their arrival."""
    shuffled = list(spans)
    random.Random(seed).shuffle(shuffled)
    found = counted(shuffled, OWN, prices_of(PRICES).priced)
    return sum(call.input_tokens or 0 for call in found), sum(call.output_tokens or 0 for call in found)


ONCE = {
    "side by side": [told("a", 1, lasts=3), told("b", 2, at=1)],
    "side by side, the other way round": [told("a", 1, at=1), told("b", 2, lasts=3)],
    "of the same time": [told("a", 1), told("b", 2)],
    "of three scopes": [told("a", 1, lasts=3), told("b", 2, at=1), told("c", 3, at=1.1, lasts=0.5)],
    "under different spans": [told("a", 1, path=(7,), lasts=3), told("b", 2, path=(8,), at=1)],
    "one within the other": [told("a", 1, lasts=3), told("b", 2, path=(1,), at=1)],
    "far within the other": [told("a", 1, lasts=3), told("b", 2, path=(8, 7, 1), at=1)],
    "one within the other, of one scope": [told("a", 1, lasts=3), told("a", 2, path=(1,), at=1)],
    "three deep": [told("a", 1, lasts=3), told("b", 2, path=(1,), at=1), told("c", 3, path=(2, 1), at=1)],
    "two deep and one beside": [
        told("a", 1, lasts=3), told("b", 2, path=(1,), at=1), told("c", 3, at=1.1, lasts=0.5),
    ],
    "of other names of the model": [
        told("a", 1, lasts=3, model="openai/gpt-4o-2024-11-20"), told("b", 2, at=1, model="gpt-4o"),
    ],
    "of a model that only one names": [told("a", 1, lasts=3), told("b", 2, at=1, model=None)],
    "with one response id": [
        told("a", 1, response_id="r", tokens=(1000, None)), told("b", 2, at=5, response_id="r"),
    ],
    "with one response id, of one scope": [
        told("a", 1, response_id="r"), told("a", 2, at=5, response_id="r"),
    ],
    "without tokens in one": [told("a", 1, lasts=3, tokens=None), told("b", 2, at=1)],
    "without tokens in the outer": [told("a", 1, lasts=3, tokens=None), told("b", 2, path=(1,), at=1)],
    "without output in the outer": [told("a", 1, lasts=3, tokens=(1000, None)), told("b", 2, path=(1,), at=1)],
    "without cached tokens in the input of one": [
        told("a", 1, lasts=3, cached_tokens=800), told("b", 2, at=1, tokens=(200, 100), cached_tokens=800),
    ],
    "usage told when the stream closed": [
        told("a", 1, tokens=None, finish_reason=None), told("a", 2, at=1.5, lasts=0),
    ],
    "a failed attempt before": [
        told("a", 1, lasts=3),
        told("b", 2, path=(1,), at=1, lasts=0.5, tokens=None, error_type="Timeout"),
        told("b", 3, path=(1,), at=2, lasts=0.5),
    ],
    "a failed attempt beside": [
        told("a", 1, lasts=3),
        told("b", 2, at=1, lasts=0.5, tokens=None, error_type="Timeout"),
        told("b", 3, at=2, lasts=0.5),
    ],
    "with a chunk too many in the outer": [
        told("a", 1, lasts=3, tokens=(1000, 101), response_id="r"), told("b", 2, at=1, response_id="r"),
    ],
    "on the execution's own span": [
        told("learning_instrument", 0xFFFFFFFFFFFFFFFF, lasts=3), told("b", 2, at=1),
    ],
    "an agent's run around it": [
        told("a", 1, lasts=3, operation="invoke_agent"), told("b", 2, path=(1,), at=1),
    ],
    "an agent's run that names another model": [
        told("a", 1, lasts=3, operation="invoke_agent", model="deployment"), told("b", 2, path=(1,), at=1),
    ],
    "an agent's run alone": [told("a", 1, operation="invoke_agent")],
    "an agent's run around another": [
        told("a", 1, lasts=3, operation="invoke_agent"), told("a", 2, path=(1,), operation="invoke_agent"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("spans", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize("seed", range(4))
def test_one_call_counts_once(spans, seed):
    """Its tokens are those that went over the wire."""
    assert tokens(*spans, seed=seed) == (1000, 100)


SEVERAL = {
    "one scope, two equal spans that overlap": (
        [told("a", 1, lasts=3), told("a", 2, at=1)], (2000, 200),
    ),
    "two equal calls of two scopes, one after the other": ([told("a", 1), told("b", 2, at=2)], (2000, 200)),
    "two equal parallel calls, each told twice": (
        [told("a", 1, lasts=10), told("a", 2, at=1, lasts=10),
         told("b", 3, at=2, lasts=7), told("b", 4, at=3, lasts=7.5)], (2000, 200),
    ),
    "a thousand calls, each told twice": (
        [told("ab"[n % 2], n + 1, at=n // 2, lasts=1.5 - n % 2) for n in range(2000)], (1_000_000, 100_000),
    ),
    "another call and an embedding within a call": (
        [told("a", 1, lasts=5, model="big", tokens=(3000, 50)), told("a", 2, path=(1,), at=1, model="small"),
         told("a", 3, path=(1,), at=2, model="embedder", operation="embeddings", tokens=(500, 0))], (4500, 150),
    ),
    "another call of the same model within a call": (
        [told("a", 1, lasts=5, tokens=(3000, 50)), told("b", 2, path=(1,), at=1)], (4000, 150),
    ),
    "an equal call with its own response id within a call": (
        [told("a", 1, lasts=5, response_id="r"), told("b", 2, path=(1,), at=1, response_id="s")], (2000, 200),
    ),
    "an embedding of the same name and size beside a call": (
        [told("a", 1, lasts=5, tokens=(1000, None)),
         told("b", 2, at=1, operation="embeddings", tokens=(1000, None))], (2000, 0),
    ),
    "calls of which one span adds up the usage": (
        [told("a", 1, lasts=5, tokens=(3000, 300)), told("b", 2, path=(1,), at=1),
         told("b", 3, path=(1,), at=2, tokens=(2000, 200))], (3000, 300),
    ),
    "calls around which one span tells the cost alone": (
        [told("a", 1, lasts=5, tokens=None, cost=0.5), told("b", 2, path=(1,), at=1, model="other"),
         told("b", 3, path=(1,), at=2, model="other", tokens=(2000, 200))], (3000, 300),
    ),
    "an embedding within an agent's run whose calls are not known": (
        [told("a", 1, lasts=5, operation="invoke_agent"),
         told("b", 2, path=(1,), at=1, model="embedder", operation="embeddings", tokens=(500, None))], (1500, 100),
    ),
    "two streams and their usage": (
        [told("a", 1, tokens=None, finish_reason=None), told("a", 2, at=1.5, lasts=0),
         told("a", 3, at=2, tokens=None, finish_reason=None), told("a", 4, at=3.5, lasts=0)], (2000, 200),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spans", "expected"), SEVERAL.values(), ids=SEVERAL)
@pytest.mark.parametrize("seed", range(3))
def test_different_calls_count_each(spans, expected, seed):
    """Equal figures alone do not make two calls one."""
    assert tokens(*spans, seed=seed) == expected


def row_of(database, *spans):
    """Return the execution's row after the export of *spans* beside it."""
    SQLiteSpanExporter(database).export([execution(1), *spans])
    (row,) = costs(database)
    return row["input_tokens"], row["output_tokens"], row["actual_cost"], row["cost_source"]


def of(scope, span_id, parent_id=1, **more):
    return span(span_id, parent_id, usage(**more), scope=scope)


MERGED = {
    "input without, both within": (
        [of(A, 2, tokens=None, **{"gen_ai.usage.input_tokens": 1000}), of(B, 3, 2, tokens=(1000, 100), cost=0.25)],
        (1000, 100, 0.25, "reported"),
    ),
    "no price without, a cost within": (
        [of(A, 2, tokens=(1000, 100)), of(B, 3, 2, tokens=(1000, 100), cost=0.25)], (1000, 100, 0.25, "reported"),
    ),
    "a cost without, tokens within": (
        [of(A, 2, tokens=None, cost=0.25), of(B, 3, 2, tokens=(1000, 100))], (1000, 100, 0.25, "reported"),
    ),
    "cached tokens beside": (
        [of(A, 2, model="gpt-4o", tokens=(3000, 100)),
         of(B, 3, model="gpt-4o", tokens=(3000, 100), **{"gen_ai.usage.cache_read.input_tokens": 2000})],
        (3000, 100, 0.006, "priced"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spans", "expected"), MERGED.values(), ids=MERGED)
def test_each_field_comes_from_a_span_that_has_it(database, spans, expected):
    """One of them knows the tokens, another the cost."""
    assert row_of(database, *spans) == expected


def test_scope_is_stored(database):
    """It tells two spans of one call from two calls."""
    row_of(database, of(A, 2))

    assert [call["scope"] for call in calls(database)] == ["a"]


def test_call_that_broke_off_counts_and_one_that_was_refused_does_not(database):
    """An answer that had begun used tokens, of which no span tells."""
    failed = {"error.type": "APIConnectionError", **usage(tokens=None)}
    begun = span(2, 1, {**failed, "gen_ai.response.id": "r"}, scope=A)

    assert row_of(database, begun) == (None, None, 0.0, "unpriced")
    assert row_of(database, span(3, 1, failed, scope=A), of(A, 4, cost=0.5))[3] == "partial"


_SPANS = st.builds(
    told,
    st.sampled_from("abc"),
    st.integers(1, 10**6),
    at=st.integers(0, 5),
    lasts=st.integers(0, 5),
    model=st.sampled_from(["m", "big", None]),
    tokens=st.sampled_from([(1000, 100), (1000, None), (2000, 0), None]),
    cost=st.sampled_from([None, None, 0.5]),
    response_id=st.sampled_from([None, None, "r", "s"]),
    operation=st.sampled_from(["chat", "chat", "embeddings", "invoke_agent"]),
    error_type=st.sampled_from([None, None, "E"]),
    usage=st.sampled_from([None, json.dumps({"input_audio_tokens": 5})]),
)


@given(st.lists(_SPANS, max_size=8, unique_by=lambda call: call.span_id), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(spans, random_order):
    """Totals are made of the same calls."""
    price = prices_of(PRICES).priced
    shuffled = list(spans)
    random_order.shuffle(shuffled)

    def figures(found):
        return sorted((call.input_tokens or 0, call.output_tokens or 0, call.cost or 0.0) for call in found)

    first, second = counted(spans, OWN, price), counted(shuffled, OWN, price)
    assert figures(first) == figures(second)
    assert len(first) <= len(spans)


@pytest.mark.parametrize("further", ["nonsense", "[]", "5", "[" * 10_000])
def test_usage_of_another_form_says_nothing(further):
    """As that of a file may be."""
    spans = [told("a", 1, lasts=3, usage=further), told("b", 2, at=1, usage='{"web_searches":2}')]

    assert merged(spans, prices_of(PRICES).priced).usage == '{"web_searches":2}'


@given(st.lists(_SPANS, min_size=1, max_size=4, unique_by=lambda call: call.span_id))
def test_merged_call_knows_what_any_span_knows(spans):
    """No field is lost, no count is less than what a span says."""
    call = merged(spans, prices_of(PRICES).priced)

    for name in ("input_tokens", "output_tokens", "model", "response_id", "usage"):
        assert (getattr(call, name) is None) == all(getattr(each, name) is None for each in spans)
    assert all((call.input_tokens or 0) >= (each.input_tokens or 0) for each in spans)


@pytest.mark.parametrize("outer", [{"at": -1, "lasts": 3}, {"at": 0, "lasts": 1}])
@pytest.mark.parametrize(
    "sign", [{"time_to_first_chunk_seconds": 0.1}, {"response_id": "r"}, {"finish_reason": "error"}]
)
def test_stream_that_broke_off_counts_within_a_span_that_saw_only_the_error(outer, sign):
    """The framework's span does not say that an answer had begun."""
    failed = {"tokens": None, "error_type": "E", "finish_reason": None}
    framework, client = told("a", 1, **failed, **outer), told("b", 2, path=(1,), **{**failed, **sign})

    (call,) = counted([framework, client], OWN, prices_of(PRICES).priced)

    assert (call.model, call.cost, call.cost_source) == ("m", None, "unpriced")
    assert counted([framework, told("b", 2, path=(1,), **failed)], OWN, prices_of(PRICES).priced) == []


def test_failed_call_that_names_a_response_model_was_refused():
    """Some libraries write there the model that was asked for."""
    refused = told("a", 1, tokens=None, error_type="E", finish_reason=None, response_model="m")

    assert counted([refused], OWN, prices_of(PRICES).priced) == []
