"""A refresh that is killed, or runs beside another: the fleet is as after one that ran alone."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from calls import chat, execution

from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.fleet import feedback, schema
from learning_instrument.fleet import refresh as module
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet.refresh import refresh
from learning_instrument.fleet.status import status

from . import otel_traces
from .test_trace_costs import TREE, in_fleet

#: Each process of the engine is a fork that opens its folder and ends by itself.
KILLED = """
import json, os, signal, sys
sys.path[:0] = [{tests!r}]
import clickhouse_connect
from fleet import otel_traces
from fleet.test_refresh import everything
from fleet.test_trace_costs import TREE
from learning_instrument.fleet import refresh as module, schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import Client, connect
from learning_instrument.fleet.refresh import refresh

folder, output = sys.argv[1:]

def opened(name):
    return connect(Address.parse(f"chdb://{{folder}}?database={{name}}"))

def begin(writes):
    with clickhouse_connect.get_client(interface="chdb", path=folder) as server:
        server.command(f"CREATE DATABASE killed_{{writes}}")
    with clickhouse_connect.get_client(interface="chdb", path=folder, database=f"killed_{{writes}}") as raw:
        otel_traces.create(raw)
        with opened(f"killed_{{writes}}") as client:
            schema.init(client)
            otel_traces.insert_spans(raw, TREE)
            left, run = writes, Client._run

            def counted(self, method, *arguments):
                nonlocal left
                left -= method != "query"
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return run(self, method, *arguments)

            Client._run, module._TRACES = counted, 2
            refresh(client, 0)

def finish(count):
    found = []
    for writes in range(count + 1):
        with opened(f"killed_{{writes}}") as client:
            refresh(client, 0)
            refresh(client, 0)
            found.append(everything(client))
    with open(output, "w") as file:
        json.dump(found, file)

def in_a_process(work, *arguments):
    process = os.fork()
    if not process:
        work(*arguments)
        os._exit(0)
    return os.waitpid(process, 0)[1]

writes = 0
while os.WIFSIGNALED(in_a_process(begin, writes)):
    writes += 1
assert in_a_process(finish, writes) == 0
"""


def everything(client):
    """Return all that a refresh makes, but for times and versions."""
    rows, calls, reported = in_fleet(client)
    masked = client.rows("SELECT message_template FROM executions WHERE NOT success ORDER BY execution_id")
    cells = client.rows(
        "SELECT * EXCEPT generation FROM learning_instrument_cubes AS cells WHERE (bucket, generation) IN"
        " (SELECT bucket, generation FROM learning_instrument_generations FINAL) ORDER BY ALL"
    )
    failures = client.rows(
        "SELECT * EXCEPT generation FROM learning_instrument_failures AS sums WHERE (bucket, generation) IN"
        " (SELECT bucket, generation FROM learning_instrument_generations FINAL) ORDER BY ALL"
    )
    return json.loads(json.dumps([rows, calls, reported, masked, cells, failures]))


@pytest.fixture
def fleet(clickhouse, client):
    """The client of a fleet that has spans and was not refreshed."""
    otel_traces.create(clickhouse)
    schema.init(client)
    otel_traces.insert_spans(clickhouse, TREE)
    return client


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_refresh_that_was_killed_anywhere_leaves_nothing_behind(fleet, tmp_path):
    """Killed before each of its writes, in slices of two traces, and run again: the same as one that was not."""
    refresh(fleet, 0)
    output = tmp_path / "found.json"
    program = KILLED.format(tests=str(Path(__file__).parents[1]))

    subprocess.run([sys.executable, "-c", program, str(tmp_path / "chdb"), str(output)], check=True, timeout=600)

    found = json.loads(output.read_text())
    assert len(found) > 10
    assert [number for number, one in enumerate(found) if one != everything(fleet)] == []


def test_mark_may_be_any_text_of_a_trace(fleet):
    """A pushed execution may have one with blanks."""
    fleet.execute(
        "INSERT INTO learning_instrument_arrivals (trace_id, first, last) VALUES ('zz a  b', now64(9), now64(9))"
    )
    refresh(fleet, 0)

    assert refresh(fleet, 0).traces == 0
    assert status(fleet).waiting_traces == 0


def test_two_at_once_are_one(fleet, address):
    """Both do all of it, and no row or cell counts twice."""
    errors = []

    def run():
        try:
            with connect(address) as client:
                refresh(client, 0)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refresh(fleet, 0)
    together = everything(fleet)
    schema.write_state(fleet, refresh="0 0 ")
    refresh(fleet, 0)

    assert errors == []
    assert together == everything(fleet)
    assert sum(row["executions"] for row in together[4] if row["cube"] == "model_tier_pool_type") == len(together[0])


def test_several_processes_work_out_what_one_does(fleet, server, monkeypatch):
    """Slice by slice side by side, through connections of their own; the mark is that of the last."""
    refresh(fleet, 0)
    expected, mark = everything(fleet), schema.read_state(fleet)["refresh"]
    fleet.execute("TRUNCATE TABLE learning_instrument_calls")
    schema.write_state(fleet, refresh="0 0 ")
    monkeypatch.setattr(module, "_TRACES", 2)

    with connect(Address.parse(server.address)) as client:
        done = refresh(client, 0, processes=3)

    assert done.calls == len(expected[1]) > 5
    assert (everything(fleet), schema.read_state(fleet)["refresh"]) == (expected, mark)


def test_process_that_is_ended_ends_the_refresh_and_the_next_goes_on(fleet, server, monkeypatch):
    """What was worked out before it stays."""
    monkeypatch.setattr(module, "_TRACES", 1)

    def kill(done):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    with connect(Address.parse(server.address)) as client:
        with pytest.raises(DatabaseError, match="Run it again: it goes on where it was"):
            refresh(client, 0, progress=kill, processes=2)
        broken_off = schema.read_state(fleet)["refresh"]
        refresh(client, 0, processes=2)
    after = everything(fleet)
    schema.write_state(fleet, refresh="0 0 ")
    refresh(fleet, 0)

    assert broken_off != "0 0 "
    assert after == everything(fleet)


def test_several_processes_of_one_folder_are_refused(fleet):
    """The engine in this process has it for itself."""
    with pytest.raises(ConfigurationError, match=r"Invalid processes 2 for chdb:.*expected 1"):
        refresh(fleet, 0, processes=2)


def test_one_that_read_earlier_does_not_undo_what_a_later_one_wrote(fleet, clickhouse, monkeypatch):
    """A slow refresh, whose rows lack a call that came meanwhile, writes last."""
    late = [execution(1, trace_id=9), chat(2, 1, trace_id=9, cost=0.1)]
    otel_traces.insert_spans(clickhouse, late)
    insert, is_inner = type(fleet).insert, False

    def slowly(self, table, columns, rows):
        nonlocal is_inner
        if not is_inner:
            is_inner = True
            otel_traces.insert_spans(clickhouse, [chat(3, 1, trace_id=9, cost=0.2)])
            refresh(fleet, 0)
        insert(self, table, columns, rows)

    monkeypatch.setattr(type(fleet), "insert", slowly)
    refresh(fleet, 0)

    trace = f"{9:032x}"
    (row,) = fleet.rows(f"SELECT actual_cost FROM executions WHERE trace_id = '{trace}'")
    assert row["actual_cost"] == 0.3


def test_feedback_given_while_a_refresh_runs_undoes_no_cost(fleet, clickhouse, monkeypatch):
    """The row with the feedback was read before the refresh wrote, and is written after it."""
    otel_traces.insert_spans(clickhouse, [execution(1, trace_id=9), chat(2, 1, trace_id=9, cost=0.1)])
    which = f"trace_id = '{9:032x}'"
    (found,) = fleet.rows(f"SELECT execution_id, timestamp FROM executions WHERE {which}")
    execute = type(fleet).execute

    def slowly(self, sql, parameters=None):
        if sql != feedback._OF_SOME:
            return execute(self, sql, parameters)
        (row,) = self.rows(f"SELECT * FROM learning_instrument_executions WHERE {which}")
        refresh(self, 0)
        row |= {"user_rating": 4, "version": time.time_ns() // 1000}
        return self.insert("learning_instrument_executions", [*row], [[*row.values()]])

    monkeypatch.setattr(type(fleet), "execute", slowly)
    feedback.show_latest(fleet, [found["execution_id"]], [found["timestamp"]])
    refresh(fleet, 0)

    (row,) = fleet.rows(f"SELECT actual_cost, user_rating FROM executions WHERE {which}")
    assert row == {"actual_cost": 0.1, "user_rating": 4}


def test_feedback_of_a_server_whose_clock_is_behind_is_shown_by_the_next_refresh(fleet, clickhouse, monkeypatch):
    """The row of the refresh that worked its execution out meanwhile is the newer one, and does not have it."""
    otel_traces.insert_spans(clickhouse, [execution(1, trace_id=9), chat(2, 1, trace_id=9, cost=0.1)])
    which = f"trace_id = '{9:032x}'"
    (found,) = fleet.rows(f"SELECT execution_id, timestamp FROM executions WHERE {which}")
    insert, is_given = type(fleet).insert, False

    def slowly(self, table, columns, rows):
        nonlocal is_given
        if table == "learning_instrument_executions" and not is_given:
            is_given = True
            said = [[found["execution_id"], found["timestamp"], 4, "team"]]
            insert(self, "learning_instrument_feedback", ("execution_id", "timestamp", "rating", "visibility"), said)
            feedback.show_latest(self, [found["execution_id"]], [found["timestamp"]])
        insert(self, table, columns, rows)

    monkeypatch.setattr(type(fleet), "insert", slowly)
    monkeypatch.setattr(type(fleet), "now", lambda self: time.time_ns() // 1000 + 3_600_000_000)
    refresh(fleet, 3600)
    (undone,) = fleet.rows(f"SELECT actual_cost, user_rating FROM executions WHERE {which}")
    refresh(fleet, 3600)

    (row,) = fleet.rows(f"SELECT actual_cost, user_rating FROM executions WHERE {which}")
    assert undone == {"actual_cost": 0.1, "user_rating": None}
    assert row == {"actual_cost": 0.1, "user_rating": 4}


def test_feedback_on_a_trace_whose_arrival_is_forgotten_changes_no_cost(fleet, clickhouse):
    """Arrivals are kept for a month: where its calls began is told by its executions then."""
    refresh(fleet, 0)
    before = everything(fleet)
    fleet.execute("TRUNCATE TABLE learning_instrument_arrivals")
    found = fleet.rows("SELECT execution_id, timestamp FROM executions")

    feedback.show_latest(fleet, [row["execution_id"] for row in found], [row["timestamp"] for row in found])
    again = refresh(fleet, 0)

    assert again.traces > 0
    assert (again.executions, again.calls) == (0, 0)
    assert everything(fleet) == before


def test_what_is_younger_than_the_grace_time_is_left_for_later(fleet):
    """An insert that is not seen yet is not passed over."""
    assert refresh(fleet, 3600).traces == 0
    assert refresh(fleet, 0).traces > 0
