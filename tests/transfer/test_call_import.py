"""Model calls of an imported file are what a live application stores."""

import random

import pytest

from learning_instrument import LearningDatabase
from learning_instrument.costs.prices import prices_of
from learning_instrument.maintenance.repricing import reprice
from learning_instrument.sqlite.selection import Selection
from learning_instrument.transfer import export_executions, import_executions

from .live import PRICES, document, recorded, tables, written


@pytest.fixture
def live(tmp_path, monkeypatch):
    """The path of a live application's database, and its spans. The target has the same prices."""
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", str(prices))
    path = tmp_path / "live.db"
    return path, recorded(path)


@pytest.fixture
def target(tmp_path):
    """The path of a database that does not exist yet."""
    return tmp_path / "target.db"


def in_one_line(spans):
    return [document(spans)]


def in_a_line_each(spans):
    return [document([span]) for span in spans]


def executions_first(spans):
    ours = [span.instrumentation_scope.name == "learning_instrument" for span in spans]
    return [document([span]) for own, span in sorted(zip(ours, spans, strict=True), key=lambda pair: not pair[0])]


def shuffled(spans):
    lines = in_a_line_each(spans)
    random.Random(1).shuffle(lines)
    return lines


@pytest.mark.parametrize("lines", [in_one_line, in_a_line_each, executions_first, shuffled])
def test_execution_of_a_collectors_file_is_that_of_the_live_database(live, target, tmp_path, lines):
    """Its cost, its tokens and its model calls, in any order; and a second import changes nothing."""
    path, spans = live
    file = written(tmp_path / "spans.jsonl", *lines(spans))

    answer = import_executions(target, [file])
    once = tables(target)
    import_executions(target, [file])

    assert (answer.stored, answer.model_calls, answer.omitted) == (2, 6, {"spans of other scopes": 4})
    assert once == tables(path)
    assert "'actual_cost': 0.2522" in once["executions"][0]
    assert tables(target) == once


def test_calls_that_come_in_another_file_are_added(live, target, tmp_path):
    """Executions first, their calls in a later import, as files of a collector are rotated."""
    path, spans = live
    lines = executions_first(spans)

    import_executions(target, [written(tmp_path / "first.jsonl", *lines[:2])])
    assert tables(target)["model_calls"] == []
    answer = import_executions(target, [written(tmp_path / "second.jsonl", *lines[2:])])

    assert (answer.read, answer.model_calls, answer.passed_over) == (0, 6, 4)
    assert tables(target) == tables(path)


@pytest.mark.parametrize("kind", ["jsonl", "otlp", "parquet", "database"])
def test_execution_that_came_without_its_calls_gets_them(live, target, tmp_path, kind):
    """Its totals with them: it was imported from a file of an older release."""
    path, spans = live
    import_executions(target, [written(tmp_path / "first.jsonl", *executions_first(spans)[:2])])
    assert tables(target)["model_calls"] == []
    file = path
    if kind != "database":
        file = tmp_path / kind
        export_executions(path, file, format=kind)

    for _ in range(2):
        assert import_executions(target, [file]).already_there == 2
        assert tables(target) == tables(path)


def test_links_of_a_large_file_do_not_stay(live, target, tmp_path, monkeypatch):
    """As in a live database, the newest do."""
    monkeypatch.setattr("learning_instrument.costs.attribution._LINKS", 3)
    _, spans = live

    import_executions(target, [written(tmp_path / "spans.jsonl", *in_a_line_each(spans))])

    with LearningDatabase(target) as database:
        assert database.query("SELECT count(*) AS links FROM span_links") == [{"links": 3}]


def test_calls_of_executions_that_are_left_out_go_to_none(live, target, tmp_path):
    """Neither are they added to another execution."""
    _, spans = live
    file = written(tmp_path / "spans.jsonl", *in_a_line_each(spans))

    answer = import_executions(target, [file], Selection(task_type="other"))
    assert (answer.stored, answer.left_out) == (0, 2)
    with LearningDatabase(target) as database:
        assert database.query("SELECT 1 FROM model_calls WHERE execution_id IS NOT NULL") == []
        assert database.query("SELECT 1 FROM totals_due") == []


def test_what_looks_like_a_call_is_counted_once(live, target, tmp_path):
    """As the live database does, for ``doctor``."""
    path, spans = live
    for each in range(2):
        import_executions(target, [written(tmp_path / f"{each}.jsonl", *in_one_line(spans))])

    for each in (path, target):
        with LearningDatabase(each) as database:
            assert database.query("SELECT * FROM unknown_spans") == [
                {"scope": "framework", "operation": "converse", "spans": 2}
            ]


@pytest.mark.parametrize("kind", ["jsonl", "otlp", "parquet", "database"])
def test_round_trip_keeps_every_table_that_a_report_reads(live, target, tmp_path, kind):
    """Feedback, model calls and reported costs, each once; ``reprice`` then changes what it does in the source."""
    path, spans = live
    with LearningDatabase(path) as database:
        execution_id = database.query("SELECT max(execution_id) AS last FROM executions")[0]["last"]
        database.add_feedback(execution_id, rating=4, accepted=True, comment="good", source="me", visibility="team")
        database.add_feedback(execution_id, comment="for me")
    file = path
    if kind != "database":
        file = tmp_path / kind
        export_executions(path, file, format=kind, visibility="private")

    answer = import_executions(target, [file])
    once = tables(target)
    assert once == tables(path)
    assert (answer.feedback, answer.model_calls, answer.passed_over, answer.refused) == (2, 6, 0, 0)
    import_executions(target, [file, written(tmp_path / "spans.jsonl", *in_a_line_each(spans))])
    assert tables(target) == once

    for each in (path, target):
        with LearningDatabase(each) as database:
            reprice(database, prices_of({"m": {"input": 2.0, "output": 2.0}}))
    assert tables(target) == tables(path)
    assert "'actual_cost': 0.2544" in tables(target)["executions"][0]
