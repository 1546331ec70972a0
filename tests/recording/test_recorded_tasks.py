"""Records and exported spans are those of before: a thousand tasks, with what was recorded of them."""

import json

import pytest

from learning_instrument.pipeline import pattern_spans
from learning_instrument.recording import resource_usage
from tests.recording.recorded_tasks import COUNT, Recorder, load


@pytest.fixture(params=["after a pattern", pytest.param("in the public way", marks=pytest.mark.slow)])
def recorder(tmp_path, monkeypatch, request):
    """A recorder with spans of the SDK made in one of the two ways."""
    # Another test may have imported gevent, beside which processor time is not measured.
    monkeypatch.setattr(resource_usage, "_has_green_threads", lambda greenlet: False)
    if request.param == "in the public way":
        monkeypatch.setattr(pattern_spans, "_are_alike", lambda *args: False)
    recorder = Recorder(tmp_path)
    yield recorder
    recorder.close()


def test_rows_and_spans_are_those_of_before(recorder):
    """Columns, attributes and their order, events, names and statuses are the same for each task of the file."""
    cases = load()
    assert len(cases) == COUNT
    for case in cases:
        found = json.loads(json.dumps(recorder.record(case["described"])))
        # As text: 1, 1.0 and True are equal otherwise, and so are NaN and nothing.
        assert json.dumps(found, indent=1) == json.dumps(case["recorded"], indent=1), case["described"]
