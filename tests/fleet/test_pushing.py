"""Executions sent from a file to a fleet: each once, however often they are sent, and whoever sends them as well."""

import contextlib
import itertools
import sqlite3
from datetime import datetime, timezone

import pytest
from calls import AGENT, START, chat, execution, span
from transfer import live

from learning_instrument import ExecutionRecord, LearningDatabase, SQLiteSpanExporter
from learning_instrument.analytics import Selection
from learning_instrument.analytics.executions import relatives
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.fleet import FleetDatabase, pull, push, pushing, schema
from learning_instrument.fleet.client import Client
from learning_instrument.fleet.refresh import refresh
from learning_instrument.ids import execution_id
from learning_instrument.timestamps import moment

from . import otel_traces
from .test_trace_costs import TREE, in_fleet, in_sqlite


def tables(client):
    """Return what a fleet holds of executions, as ``live.tables`` does of a file."""
    reported = "(SELECT execution_id, reported_cost AS cost FROM learning_instrument_executions FINAL"
    tables = {"reported_costs": f"{reported} WHERE reported_cost IS NOT NULL)"}
    columns = {**live.TABLES, "model_calls": "* EXCEPT (rowid)"}
    return {
        table: sorted(map(repr, client.rows(f"SELECT {columns[table]} FROM {tables.get(table, table)}")))
        for table in live.TABLES
    }


def ids(path):
    """Return the ids of the executions in a file, in the order of their storing."""
    with LearningDatabase(path) as database:
        return [row["execution_id"] for row in database.query("SELECT execution_id FROM executions ORDER BY rowid")]


def count(client):
    """Return how many executions a fleet has."""
    return client.rows("SELECT count() AS number FROM executions")[0]["number"]


def test_fleet_has_what_the_file_has(empty_fleet, client, path):
    """Executions in every column, model calls, reported costs, and feedback for the team."""
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], rating=4, comment="fine", source="review", visibility="team")
        rows = database.query("SELECT * FROM executions ORDER BY execution_id")

    answer = push(empty_fleet, path)

    assert (answer.read, answer.sent, answer.feedback, answer.model_calls) == (2, 2, 1, 6)
    assert client.rows(f"SELECT {', '.join(COLUMNS)} FROM executions ORDER BY execution_id") == rows
    assert tables(client) == live.tables(path)


def test_sent_twice_it_counts_once(empty_fleet, client, path):
    """Also where all of it is looked at again."""
    push(empty_fleet, path)

    again = push(empty_fleet, path, Selection(since=moment("1d")))

    assert (again.read, again.sent, again.already_there, again.model_calls) == (2, 0, 2, 0)
    assert tables(client) == live.tables(path)


def test_nothing_new_costs_a_handful_of_questions(empty_fleet, path, monkeypatch):
    """The file is not read."""
    push(empty_fleet, path)
    asked, run = [], Client._run
    monkeypatch.setattr(Client, "_run", lambda self, *arguments: asked.append(arguments) or run(self, *arguments))

    answer = push(empty_fleet, path)

    assert answer == pushing.PushAnswer()
    assert len(asked) <= 5


def test_server_gathers_what_many_machines_insert(empty_fleet, client, path, monkeypatch):
    """Else each insert of each machine would be a part of its own; it still waits until it is stored."""
    insert, settings = Client.insert, []

    def observed(self, *arguments):
        settings.extend(
            self.rows("SELECT getSetting('async_insert') AS gathers, getSetting('wait_for_async_insert') AS waits")
        )
        insert(self, *arguments)

    monkeypatch.setattr(Client, "insert", observed)
    push(empty_fleet, path)

    assert settings
    assert all(each == {"gathers": True, "waits": True} for each in settings)
    assert tables(client) == live.tables(path)


def test_more_parameters_than_an_address_holds_are_sent(empty_fleet, client, server, path):
    """By HTTP, where servers and proxies refuse a long address: one slice names each of its executions."""
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="judged", duration_seconds=1.0) for _ in range(900)])
        assert database.flush(60)
    push(server.address, path)
    with LearningDatabase(path) as database:
        for row in database.query("SELECT execution_id FROM executions WHERE task_type = 'judged'"):
            database.add_feedback(row["execution_id"], rating=3, visibility="team")

    answer = push(server.address, path)

    assert (answer.sent, answer.feedback) == (0, 900)
    assert tables(client) == live.tables(path)


def test_messages_of_failures_are_masked_where_refresh_does_not_see_them(empty_fleet, client, path):
    """Those of an execution without a trace, as an application's own records are."""
    with LearningDatabase(path) as database:
        failed = {"outcome": "error", "success": False, "error_message": "no room for 17"}
        database.append([ExecutionRecord(task_type="t", duration_seconds=1.0, **failed)])
        assert database.flush(60)

    push(empty_fleet, path)

    masked = client.rows("SELECT DISTINCT message_template AS template FROM executions WHERE trace_id IS NULL")
    assert masked == [{"template": "no room for <N>"}]
    assert client.rows("SELECT 1 FROM executions WHERE success AND message_template IS NOT NULL") == []


def test_late_feedback_is_sent_alone(empty_fleet, client, path):
    """The latest of it is in the columns of its execution."""
    push(empty_fleet, path)
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[1], rating=2, visibility="team")
        database.add_feedback(ids(path)[1], accepted=True, visibility="public")
        database.add_feedback(ids(path)[1], rating=3, visibility="public")

    answer = push(empty_fleet, path)

    assert (answer.sent, answer.feedback) == (0, 3)
    assert tables(client) == live.tables(path)


def test_private_feedback_stays(empty_fleet, client, path):
    """Its rating, too, unless it is asked for."""
    with LearningDatabase(path) as database:
        database.add_feedback(ids(path)[0], rating=1, visibility="private")
    push(empty_fleet, path)
    assert client.rows("SELECT user_rating FROM executions WHERE user_rating IS NOT NULL") == []

    push(empty_fleet, path, Selection(since=moment("1d")), visibility="private")

    assert tables(client) == live.tables(path)


def test_late_model_calls_change_the_costs(empty_fleet, client, tmp_path):
    """Of executions that were sent before, once refresh has seen them: also of those around them."""
    path = tmp_path / "learning.db"
    late = {5, 6, 8, 31}
    with LearningDatabase(path) as database:
        SQLiteSpanExporter(database).export([each for each in TREE if each.context.span_id not in late])
    push(empty_fleet, path)

    everything = in_sqlite(path, [each for each in TREE if each.context.span_id in late])
    answer = push(empty_fleet, path)
    refresh(client, 0)

    assert (answer.sent, answer.model_calls) == (0, 4)
    assert in_fleet(client) == everything


@pytest.mark.parametrize("order", list(itertools.permutations(["push", "spans", "refresh"])))
def test_order_of_collector_push_and_refresh_does_not_matter(empty_fleet, clickhouse, client, tmp_path, order):
    """Each sent twice: the fleet ends with what the file has."""
    path = tmp_path / "learning.db"
    everything = in_sqlite(path, TREE)
    steps = {
        "push": lambda: push(empty_fleet, path, Selection(until=moment("2100-01-01"))),
        "spans": lambda: otel_traces.insert_spans(clickhouse, TREE),
        "refresh": lambda: refresh(client, 0),
    }

    for step in (*order, *order, "refresh"):
        steps[step]()

    assert in_fleet(client) == everything


def test_refreshed_row_keeps_what_other_machines_know(empty_fleet, clickhouse, client, tmp_path):
    """A call that the collector alone has stays in the costs of an execution that is pushed again."""
    path = tmp_path / "learning.db"
    mine, others = (execution(1), chat(2, 1, cost=0.25)), (chat(3, 1, cost=1.0),)
    in_sqlite(path, mine)
    otel_traces.insert_spans(clickhouse, (mine[0], *others))
    refresh(client, 0)

    push(empty_fleet, path)
    refresh(client, 0)
    push(empty_fleet, path, Selection(until=moment("2100-01-01")))

    assert client.rows("SELECT actual_cost, input_tokens FROM executions") == [
        {"actual_cost": 1.25, "input_tokens": 20}
    ]


def test_result_replaces_a_lost_execution(empty_fleet, client, path):
    """As in a file; and no loss replaces a result."""

    def set_outcome(outcome):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE executions SET outcome = ?, success = ? = 'succeeded'", (outcome, outcome))

    for outcome in ("lost", "succeeded", "lost"):
        set_outcome(outcome)
        push(empty_fleet, path)

    assert client.rows("SELECT DISTINCT outcome, success FROM executions") == [{"outcome": "succeeded", "success": 1}]


def test_interrupted_push_goes_on_where_it_was(empty_fleet, client, tmp_path, monkeypatch):
    """It reads again no more than the last of what was sent."""
    monkeypatch.setattr(pushing, "_SLICE", 4)
    monkeypatch.setattr(pushing, "_AGAIN", 3)
    path = tmp_path / "learning.db"
    live.recorded(path, tasks=20)

    def interrupt(what, done, of):
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(empty_fleet, path, progress=interrupt)
    assert count(client) == 12
    answer = push(empty_fleet, path)

    assert 8 <= answer.read <= 8 + 4 + 3
    assert answer.sent == 8
    assert tables(client) == live.tables(path)


def test_what_changes_far_below_the_mark_is_sent(empty_fleet, client, tmp_path, monkeypatch):
    """Feedback and model calls of the oldest execution, and nothing else is looked at."""
    monkeypatch.setattr(pushing, "_AGAIN", 1)
    path = tmp_path / "learning.db"
    live.recorded(path, tasks=20)
    push(empty_fleet, path)
    first = ids(path)[0]
    with LearningDatabase(path) as database:
        database.add_feedback(first, rating=5, visibility="team")

    answer = push(empty_fleet, path)

    assert answer.read <= 3
    assert answer.feedback == 1
    assert tables(client) == live.tables(path)


def test_other_file_of_the_same_name_is_sent_whole(empty_fleet, client, path, tmp_path):
    """The mark is that of a file which is gone."""
    push(empty_fleet, path)
    before = count(client)
    live.recorded(tmp_path / "other.db", tasks=3)
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"learning.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "other.db").rename(path)

    assert push(empty_fleet, path).sent == 3
    assert count(client) == before + 3


def test_fleet_that_was_made_anew_gets_everything(empty_fleet, client, path):
    """The fleet keeps the mark."""
    push(empty_fleet, path)
    schema.drop(client)
    schema.init(client)

    assert push(empty_fleet, path).sent == 2
    assert tables(client) == live.tables(path)


def test_deleted_executions_stay_in_the_fleet(empty_fleet, client, path):
    """The file may be pruned."""
    push(empty_fleet, path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM executions WHERE rowid = 1")

    push(empty_fleet, path)

    assert count(client) == 2


def test_selection_is_sent_alone(empty_fleet, client, path):
    """By any filter, and the next push sends the rest."""
    first = ids(path)[0]

    assert push(empty_fleet, path, Selection(where={"execution_id": first})).sent == 1
    assert client.rows("SELECT execution_id FROM executions") == [{"execution_id": first}]
    assert push(empty_fleet, path).sent == 1


def test_repriced_calls_are_sent_with_a_selection(empty_fleet, client, path):
    """And a call whose cost the file does not know leaves that of the fleet."""
    push(empty_fleet, path)
    prices = "UPDATE model_calls SET cost = {}, cost_source = 'priced' WHERE model = 'm'"
    for cost in (0.5, "NULL"):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(prices.format(cost))
        push(empty_fleet, path, Selection(since=moment("1d")))
        refresh(client, 0)

        assert client.rows("SELECT DISTINCT cost FROM model_calls WHERE model = 'm'") == [{"cost": 0.5}]
        assert client.rows("SELECT DISTINCT actual_cost FROM executions") == [{"actual_cost": 1.25}]


def test_invalid_value_is_refused_and_named(empty_fleet, client, path):
    """The other executions are sent."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE executions SET duration_seconds = 'long' WHERE rowid = 1")

    answer = push(empty_fleet, path)

    assert (answer.sent, answer.refused) == (1, 1)
    assert "duration_seconds is 'long'" in answer.refusals[0].reason
    assert count(client) == 1


def test_agent_around_executions_of_another_file_is_counted_once(empty_fleet, client, tmp_path):
    """Both files know a part of the trace: an agent's run, and the calls within it."""
    identity = execution_id(START + 1, 1, 1)
    outer = (execution(1), span(2, 1, {**AGENT, "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 5}))
    inner = (execution(7, 2, PARENT_EXECUTION_ID=identity), chat(8, 7, tokens=(1000, 5)))
    everything = in_sqlite(tmp_path / "both.db", outer + inner)
    in_sqlite(tmp_path / "outer.db", outer)
    in_sqlite(tmp_path / "inner.db", inner)

    for name in ("outer.db", "inner.db"):
        push(empty_fleet, tmp_path / name)
    refresh(client, 0)

    assert in_fleet(client)[0] == everything[0]


def test_fleet_that_was_not_made_asks_for_init(clickhouse, engine_folder, path):
    """One line with the command."""
    with pytest.raises(DatabaseError, match="fleet init"):
        push(f"chdb://{engine_folder}?database={clickhouse.database}", path)


def test_missing_file_and_invalid_visibility_are_named(empty_fleet, tmp_path):
    """No file is made."""
    with pytest.raises(DatabaseError, match="There is no database"):
        push(empty_fleet, tmp_path / "none.db")
    with pytest.raises(ConfigurationError, match="Invalid visibility 'all'"):
        push(empty_fleet, tmp_path / "none.db", visibility="all")
    assert not list(tmp_path.glob("none*"))


def test_execution_whose_start_was_edited_counts_as_another(empty_fleet, client, path, tmp_path):
    """Of the two, its id means the newest; pulled, they are one, and the other is named as a conflict."""
    push(empty_fleet, path)
    (first, _) = ids(path)
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as source:
        source.execute("VACUUM INTO ?", [str(other)])
    with contextlib.closing(sqlite3.connect(other)) as changed:
        changed.execute("UPDATE executions SET timestamp = '2001-01-01T00:00:00.000000+00:00' WHERE rowid = 1")
        changed.commit()

    push(empty_fleet, other)

    with FleetDatabase(empty_fleet) as fleet:
        assert relatives(fleet, first).execution.timestamp.year > 2001
        fleet.add_feedback(first, rating=5)
        assert fleet.query("SELECT count(*) AS n FROM executions WHERE user_rating = 5 AND timestamp > '2002'") == [
            {"n": 1}
        ]
    assert count(client) == 3
    answer = pull(empty_fleet, tmp_path / "pulled.db")
    assert (answer.stored, answer.conflicts) == (2, 1)


TIMES = [datetime(2026, 1, day, tzinfo=timezone.utc) for day in range(1, 8)]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(until=TIMES[3]),
        Selection(since=TIMES[2], until=TIMES[5]),
        Selection(since=TIMES[2]),
        Selection(repo="a"),
        Selection(pool_type="p", until=TIMES[6]),
        Selection(model_tier="small"),
        Selection(task_type="fix"),
        Selection(where={"outcome": "error", "metadata.version": "2"}, until=TIMES[5]),
    ],
    ids=str,
)
def test_what_is_selected_is_sent(empty_fleet, client, tmp_path, selection):
    """By each filter, and by several."""
    path = tmp_path / "learning.db"
    with LearningDatabase(path) as database:
        database.append(
            ExecutionRecord(
                task_id=str(number),
                timestamp=time,
                repo="ab"[number % 2],
                pool_type="pq"[number % 2],
                model_tier=("small", "large")[number % 2],
                task_type=("fix", "write")[number % 2],
                outcome=("succeeded", "error")[number % 2],
                metadata={"version": number % 3},
            )
            for number, time in enumerate(TIMES * 2)
        )
        condition, parameters = selection.condition()
        found = database.query(f"SELECT execution_id FROM executions WHERE {condition} ORDER BY 1", parameters)

    answer = push(empty_fleet, path, selection)

    assert 0 < answer.sent == len(found) < 14
    assert client.rows("SELECT execution_id FROM executions ORDER BY 1") == found


def test_id_of_any_letters_is_sent_once(empty_fleet, client, path):
    """An imported execution may have one."""
    with contextlib.closing(sqlite3.connect(path)) as changed:
        changed.execute("UPDATE executions SET execution_id = 'écrit à la main/' || rowid")
        changed.commit()
    push(empty_fleet, path)

    again = push(empty_fleet, path, Selection(since=moment("1d")))

    assert (again.sent, again.already_there) == (0, 2)
    assert count(client) == 2


def test_feedback_of_another_visibility_is_sent_when_it_is_asked_for(empty_fleet, client, path):
    """Though nothing is new in the file; what was sent stays."""
    with LearningDatabase(path) as database:
        for visibility in ("public", "team", "private"):
            database.add_feedback(ids(path)[0], comment=visibility, visibility=visibility)

    sent = [push(empty_fleet, path, visibility=which).feedback for which in ("public", "team", "private", "team")]

    assert sent == [1, 1, 1, 0]
    assert len(client.rows("SELECT * FROM feedback")) == 3
