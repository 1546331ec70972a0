"""Headers carry the context of an execution to another process; those of other programs are no trouble."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from learning_instrument.ids import execution_id, new_uuid
from learning_instrument.recording.contexts import batch_of, enclosing_of
from learning_instrument.recording.propagation import RemoteBatch, RemoteExecution, pack, unpack, within

ID = execution_id(10, 11, 12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["learning-instrument-execution", "learning-instrument-batch", "traceparent", "tracestate", "baggage"]
)


def test_what_is_packed_is_unpacked():
    """Execution and batch."""
    batch = RemoteBatch(new_uuid())
    context = unpack(pack(within(unpack({}), RemoteExecution(ID), batch)))

    assert enclosing_of(context).execution_id == ID
    assert batch_of(context).batch_id == batch.batch_id


@given(values | st.dictionaries(names | values.filter(lambda value: isinstance(value, (str, int))), values))
def test_headers_of_any_kind_make_a_context(headers):
    """No error, and no execution or batch that is none."""
    context = unpack(headers)

    assert enclosing_of(context) is None
    assert batch_of(context) is None


@pytest.mark.parametrize("value", [f"{ID}0", "x" * 10**6, ID.upper(), f"{ID[:16]}-{'f' * 400}-{'1' * 16}", ID.encode()])
def test_id_that_is_none_is_ignored(value):
    """Too long, of another alphabet, or no text."""
    assert enclosing_of(unpack({"learning-instrument-execution": value})) is None


def test_headers_are_bounded():
    """A value of megabytes and thousands of headers are left out."""
    many = {f"name-{number}": "x" for number in range(10_000)}
    traceparent = f"00-{2:032x}-{3:016x}-01"

    assert trace.get_current_span(unpack({"traceparent": traceparent, **many})).get_span_context().span_id == 3
    assert not trace.get_current_span(unpack({**many, "traceparent": traceparent})).get_span_context().is_valid
    assert not trace.get_current_span(unpack({"traceparent": traceparent * 10**5})).get_span_context().is_valid
