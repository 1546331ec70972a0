"""Documents are found however they are laid out, and damage costs only what is damaged."""

import io
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.errors import ConfigurationError
from learning_instrument.transfer.json_documents import Documents

#: In a process that has no other threads.
READS = """
import sys, tracemalloc
from learning_instrument.transfer import spread_document
from learning_instrument.transfer.json_documents import Documents
spread_document.LONGEST = 2**17
with open(sys.argv[1], "rb") as file:
    tracemalloc.start()
    spans = sum(
        len(scope["spans"])
        for _, document in Documents(file)
        for group in document["resourceSpans"]
        for scope in group["scopeSpans"]
    )
    print([spans, tracemalloc.get_traced_memory()[1]])
"""
GOOD = {"task_type": "a", "n": [1, {"b": "}"}]}


def entries(text):
    """Return the line and the document of each entry, errors as their text."""
    found = Documents(io.BytesIO(text if isinstance(text, bytes) else text.encode()))
    return [(line, str(each) if isinstance(each, ConfigurationError) else each) for line, each in found]


def request(*counts, text=""):
    """Return a request with so many spans in each scope."""
    scopes = [
        {"scope": {"name": f"s{number}"}, "spans": [{"n": n, "text": text} if text else {"n": n} for n in range(count)]}
        for number, count in enumerate(counts)
    ]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": scopes}]}


def spans_of(text):
    """Return the scope and the number of each span."""
    return [
        (scope["scope"]["name"], span["n"])
        for _, document in entries(text)
        for group in document.get("trace", document)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
def test_rows_are_the_same_in_any_layout(indent):
    text = json.dumps(GOOD, indent=indent)

    assert [document for _, document in entries(f"{text}\n\n{text}")] == [GOOD, GOOD]
    assert [document for _, document in entries(json.dumps([GOOD, GOOD], indent=indent))] == [GOOD, GOOD]


@given(
    st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    st.integers(0, 3),
)
def test_any_object_is_read_as_it_is(value, indent):
    """Spread over lines."""
    assert [document for _, document in entries(json.dumps({"x": value}, indent=indent))] == [{"x": value}]


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: {"trace": each}, lambda each: [each, each]])
@pytest.mark.parametrize("counts", [(1, 2), (0, 250, 1), (100,)])
def test_spread_request_has_all_its_spans_once(counts, wrap):
    text = json.dumps(wrap(request(*counts)), indent=2)

    expected = [(f"s{number}", n) for number, count in enumerate(counts) for n in range(count)]
    assert spans_of(text) == expected * (2 if isinstance(wrap(1), list) else 1)


def test_scope_after_its_spans_is_theirs():
    """Keys can be in any order."""
    scope = {"spans": [{"n": 1}], "scope": {"name": "s"}}
    text = json.dumps({"resourceSpans": [{"scopeSpans": [scope], "resource": {}}]}, indent=1)

    assert spans_of(text) == [("s", 1)]


def test_text_between_documents_is_told_apart():
    good = json.dumps(GOOD)
    text = f"log\n[INFO] log\n{good}\n  2026 {good}\n{json.dumps(GOOD, indent=1)}\nend"

    assert [each for _, each in entries(text)] == [None, None, GOOD, None, GOOD, None]
    assert [line for line, _ in entries(text)][:4] == [1, 2, 3, 4]


def test_damaged_line_is_refused_and_the_next_is_read():
    """Also where it ends as a document does that goes on."""
    good = json.dumps(GOOD)
    damaged = [
        '{"task_type": "a"',
        '{"task_type":',
        "{",
        '{"a": tru',
        '{"a": "x',
        '{"a": 1}}',
        '{"a": [1, 2',
        '{"a": "\\',
    ]

    found = entries("\n".join(line for each in damaged for line in (each, good)))

    assert [number for number, each in found if each == GOOD] == list(range(2, 2 * len(damaged) + 1, 2))
    assert all(re.match("not JSON: ", each) for number, each in found if number % 2)


def test_cut_document_gives_the_spans_before_the_cut():
    text = json.dumps(request(150), indent=2)
    cut = text[: text.index('"n": 120')]

    *_, (line, fault) = found = entries(cut)

    spans = [
        span for _, document in found[:-1] for group in document["resourceSpans"]
        for scope in group["scopeSpans"] for span in scope["spans"]
    ]  # fmt: skip
    assert spans == [{"n": n} for n in range(120)]
    assert (line, fault[:9]) == (cut.count("\n"), "not JSON:")


@pytest.mark.parametrize("indent", [None, 1])
def test_large_document_is_read_in_parts(tmp_path, indent):
    """Most of it is never in memory, also where it has one line."""
    file = tmp_path / "spans.json"
    file.write_text(json.dumps(request(4000, text="x" * 200), indent=indent))

    spans, most = json.loads(subprocess.check_output([sys.executable, "-c", READS, file], text=True))

    assert spans == 4000
    assert most < file.stat().st_size


def test_part_that_is_too_long_is_refused(monkeypatch):
    """The next line is read."""
    monkeypatch.setattr("learning_instrument.transfer.spread_document.LONGEST", 1000)
    good, long = json.dumps(GOOD), json.dumps({"a": "x" * 5000})

    found = entries("\n".join([good, long, good, "y" * 5000, good]))

    assert found == [(1, GOOD), (2, "longer than 0 MiB"), (3, GOOD), (4, None), (5, GOOD)]
