"""A slice of a fleet as a file: what is in it, what it answers, and what pulling it again changes."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from calls import AGENT, START, chat, execution, span
from executions import NEW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transfer import live, records

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection, compare, costs, error_groups, performance, side, summary
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.fleet import pull, pulling, push, schema
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.refresh import refresh
from learning_instrument.ids import execution_id
from learning_instrument.timestamps import moment
from learning_instrument.transfer import import_executions

from . import asking, otel_traces
from .same_executions import executions, fill
from .test_pushing import ids
from .test_trace_costs import TREE, in_sqlite

KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import clickhouse_connect
from fleet import otel_traces
from transfer import live
from learning_instrument.fleet import pulling, schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet import push

folder, until = sys.argv[1], int(sys.argv[2])
address = f"chdb://{{folder}}/chdb"
if not os.path.exists(f"{{folder}}/chdb"):
    live.recorded(f"{{folder}}/learning.db", tasks=30)
    with clickhouse_connect.get_client(interface="chdb", path=f"{{folder}}/chdb") as raw:
        otel_traces.create(raw)
        with connect(Address.parse(address)) as client:
            schema.init(client)
    push(address, f"{{folder}}/learning.db")
pulling.ROWS = 5

def kill(what, done, of):
    if done >= until:
        os.kill(os.getpid(), signal.SIGKILL)

pulling.pull(address, f"{{folder}}/local.db", progress=kill)
"""


def test_file_has_what_the_fleet_has(empty_fleet, path, tmp_path):
    """Executions in every column, model calls, reported costs, and feedback for the team."""
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], rating=4, comment="fine", source="review", visibility="team")
    push(empty_fleet, path)

    answer = pull(empty_fleet, tmp_path / "local.db")

    assert (answer.read, answer.stored, answer.feedback, answer.model_calls) == (2, 2, 1, 6)
    assert records.stored_in(tmp_path / "local.db") == records.stored_in(path)
    assert live.tables(tmp_path / "local.db") == live.tables(path)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NEW, min_size=1, max_size=40), st.sampled_from(["", "11-02", "11-03"]), st.sampled_from([None, "a"]))
def test_pulled_slice_answers_as_the_imported_one(empty_fleet, client, tmp_path_factory, news, since, repo):
    """Every execution in every column, and the figures of reports."""
    folder = tmp_path_factory.mktemp("slice")
    schema.drop(client)
    schema.init(client)
    source = records.make(folder / "learning.db", news)
    selection = Selection(since=moment(f"2026-{since}") if since else None, repo=repo)
    push(empty_fleet, source)

    pull(empty_fleet, folder / "pulled.db", selection)
    import_executions(folder / "imported.db", [source], selection)

    assert records.stored_in(folder / "pulled.db") == records.stored_in(folder / "imported.db")
    pulled, imported = (answers(LearningDatabase(folder / f"{name}.db")) for name in ("pulled", "imported"))
    assert pulled == imported


def answers(opened):
    """Return what reports say of a database."""
    with opened as database:
        small, large = side("model_tier=small"), side("model_tier=large")
        return [
            summary(database),
            performance(database, ("task_type", "repo")),
            costs(database, by="pool_type"),
            compare(database, small, large),
            sorted((each.error_type or "", each.template, each.executions) for each in error_groups(database).groups),
        ]


def test_file_of_all_of_a_fleet_answers_as_the_fleet(empty_fleet, client, database, tmp_path):
    """From cells, executions and masked messages there, from roll-ups and executions here."""
    fill(database, client, executions(400))
    refresh(client, 0)

    pull(empty_fleet, tmp_path / "pulled.db")

    assert answers(LearningDatabase(tmp_path / "pulled.db")) == answers(FleetDatabase(empty_fleet))


TIED = st.builds(
    ExecutionRecord,
    task_type=st.sampled_from(["fix", "review"]),
    task_description=st.sampled_from(["fix the parser", "mend the parser", "write the manual", None]),
    timestamp=st.integers(0, 2).map(lambda hours: moment("2026-11-02") + timedelta(hours=hours)),
    duration_seconds=st.sampled_from([0.0, 1.0, 3600.0, 7200.5]),
    outcome=st.sampled_from(["succeeded", "failed", "lost"]),
    error_message=st.sampled_from(["no room in table 1", "no room in table 2", "gone"]),
    solution_summary=st.sampled_from(["use the other parser", "use the newer parser", None]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TIED, min_size=1, max_size=60), st.integers(3, 60), st.booleans())
def test_pulled_file_orders_ties_as_the_fleet_does(empty_fleet, client, tmp_path_factory, ties, page, is_refreshed):
    """Executions of equal times, scores and templates: which come first, and which are examples."""
    folder = tmp_path_factory.mktemp("ties")
    schema.drop(client)
    schema.init(client)
    push(empty_fleet, records.make(folder / "learning.db", ties))
    if is_refreshed:
        refresh(client, 0)
    pulled = folder / "pulled.db"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulling, "_EXECUTIONS", pulling._EXECUTIONS.replace(str(pulling._SLICE), str(page)))
        pull(empty_fleet, pulled)

    for question in (["summary"], ["errors"], ["patterns"], ["similar", "fix the parser"], ["list"]):
        assert asking.answer("--database", str(pulled), *question) == asking.answer(
            "--database", empty_fleet, *question
        )


def test_pulled_again_nothing_is_doubled(empty_fleet, path, tmp_path):
    """Neither executions nor model calls nor feedback."""
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], rating=4, visibility="team")
    push(empty_fleet, path)
    pull(empty_fleet, tmp_path / "local.db")

    again = pull(empty_fleet, tmp_path / "local.db")

    assert (again.read, again.stored, again.already_there, again.feedback) == (2, 0, 2, 0)
    assert again.conflicts == 0
    assert live.tables(tmp_path / "local.db") == live.tables(path)


def test_what_came_to_the_fleet_since_is_added(empty_fleet, path, tmp_path):
    """Executions and feedback."""
    push(empty_fleet, path)
    pull(empty_fleet, tmp_path / "local.db")
    live.recorded(path, tasks=1)
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], accepted=False, visibility="public")
    push(empty_fleet, path)

    answer = pull(empty_fleet, tmp_path / "local.db")

    assert (answer.stored, answer.feedback) == (1, 1)
    assert live.tables(tmp_path / "local.db") == live.tables(path)


@pytest.mark.parametrize("late", [{5, 6, 8, 31}, {8}, {2}, {3, 5}])
def test_costs_become_those_of_the_fleet(empty_fleet, clickhouse, client, tmp_path, late):
    """Of executions that were pulled before their model calls came, also of those around them."""
    path = tmp_path / "local.db"
    otel_traces.insert_spans(clickhouse, [each for each in TREE if each.context.span_id not in late])
    refresh(client, 0)
    pull(empty_fleet, path)
    otel_traces.insert_spans(clickhouse, [each for each in TREE if each.context.span_id in late])
    refresh(client, 0)

    answer = pull(empty_fleet, path)

    assert answer.conflicts == 0
    in_sqlite(tmp_path / "whole.db", TREE)
    assert records.stored_in(path) == records.stored_in(tmp_path / "whole.db")


def test_costs_are_those_of_the_fleet_where_a_filter_leaves_out_what_they_rest_on(
    empty_fleet, clickhouse, client, tmp_path
):
    """An agent's run repeats the usage of an execution within it, which is not pulled."""
    identity = execution_id(START + 1, 1, 1)
    outer = (execution(1, TASK_TYPE="outer"), span(2, 1, AGENT))
    inner = (execution(7, 2, PARENT_EXECUTION_ID=identity, TASK_TYPE="inner"), chat(8, 7, tokens=(1000, 5), cost=1.0))
    otel_traces.insert_spans(clickhouse, outer)
    pull(empty_fleet, tmp_path / "local.db", Selection(task_type="outer"))
    otel_traces.insert_spans(clickhouse, inner)
    refresh(client, 0)

    pull(empty_fleet, tmp_path / "local.db", Selection(task_type="outer"))

    with LearningDatabase(tmp_path / "local.db") as database:
        (row,) = database.query("SELECT input_tokens, actual_cost, cost_source FROM executions")
    columns = "input_tokens, actual_cost, cost_source"
    assert [row] == client.rows(f"SELECT {columns} FROM executions WHERE task_type = 'outer'")


def test_costs_stay_where_the_file_knows_more(empty_fleet, clickhouse, client, tmp_path):
    """Of a machine that records into the file itself, and whose model calls have not come to the fleet."""
    before = in_sqlite(tmp_path / "local.db", (execution(1), chat(2, 1, cost=0.25), chat(3, 1, cost=1.0)))
    otel_traces.insert_spans(clickhouse, (execution(1), chat(2, 1, cost=0.25)))
    refresh(client, 0)

    pull(empty_fleet, tmp_path / "local.db")

    assert in_sqlite(tmp_path / "local.db", ()) == before


def test_interrupted_pull_is_completed_by_the_next(empty_fleet, tmp_path, monkeypatch):
    """What was stored stays."""
    monkeypatch.setattr(pulling, "ROWS", 4)
    live.recorded(tmp_path / "learning.db", tasks=20)
    push(empty_fleet, tmp_path / "learning.db")

    def interrupt(what, done, of):
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(empty_fleet, tmp_path / "local.db", progress=interrupt)
    assert len(ids(tmp_path / "local.db")) == 12
    answer = pull(empty_fleet, tmp_path / "local.db")

    assert (answer.stored, answer.already_there) == (8, 12)
    assert live.tables(tmp_path / "local.db") == live.tables(tmp_path / "learning.db")


def test_killed_pull_is_completed_by_the_next(tmp_path):
    """As often as it is killed."""
    program = KILLED.format(tests=str(Path(__file__).parents[1]))
    for until in (5, 20, 10**6):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(until)], check=False, timeout=120)
        assert done.returncode == (0 if until == 10**6 else -signal.SIGKILL)

    assert live.tables(tmp_path / "local.db") == live.tables(tmp_path / "learning.db")


def test_private_feedback_stays_in_the_fleet(empty_fleet, path, tmp_path):
    """Its rating, too, unless it is asked for."""
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], rating=1, visibility="private")
    push(empty_fleet, path, visibility="private")

    pull(empty_fleet, tmp_path / "team.db")
    pull(empty_fleet, tmp_path / "private.db", visibility="private")

    with LearningDatabase(tmp_path / "team.db") as database:
        assert database.query("SELECT user_rating FROM executions WHERE user_rating IS NOT NULL") == []
        assert database.query("SELECT * FROM feedback") == []
    assert live.tables(tmp_path / "private.db") == live.tables(path)


def test_slices_are_read_in_bounded_parts(empty_fleet, tmp_path, monkeypatch):
    """None is left out or doubled where many began at once."""
    monkeypatch.setattr(pulling, "_EXECUTIONS", pulling._EXECUTIONS.replace(str(pulling._SLICE), "3"))
    spans = [execution(1, trace_id=trace) for trace in range(1, 11)]
    in_sqlite(tmp_path / "learning.db", spans)
    push(empty_fleet, tmp_path / "learning.db")

    assert pull(empty_fleet, tmp_path / "local.db").stored == len(spans)


def test_fleet_that_was_not_made_and_invalid_options_are_named(clickhouse, engine_folder, tmp_path):
    """And no file is made."""
    address = f"chdb://{engine_folder}?database={clickhouse.database}"
    with pytest.raises(DatabaseError, match="fleet init"):
        pull(address, tmp_path / "none.db")
    with pytest.raises(ConfigurationError, match="Invalid visibility 'all'"):
        pull(address, tmp_path / "none.db", visibility="all")
    with pytest.raises(ConfigurationError, match="Invalid address"):
        pull("http://host", tmp_path / "none.db")
    assert not list(tmp_path.glob("none*"))
