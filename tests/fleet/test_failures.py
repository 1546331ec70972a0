"""Failures of a fleet by masked message are SQLite's, from sums, from the executions, and from both."""

import dataclasses
from datetime import timedelta

import pytest

from learning_instrument.analytics import error_groups
from learning_instrument.fleet import failures
from learning_instrument.fleet.refresh import refresh
from learning_instrument.sqlite.selection import Selection

from .same_executions import START, copy, executions, fill

DAY = timedelta(days=1)
SELECTIONS = {
    "all": Selection(),
    "a window that divides hours": Selection(since=START + DAY + timedelta(minutes=77), until=START + 3 * DAY),
    "until within an hour": Selection(until=START + DAY + timedelta(minutes=77)),
    "filters": Selection(task_type="fix", repo="y's", since=START + DAY),
    "a function's executions": Selection(task_type="unknown: Crawler.fetch"),
    "a key of metadata": Selection(where={"metadata.customer": "glöbex"}),
    "nothing": Selection(repo="none"),
}


@pytest.fixture
def both(database, client, fleet):
    """A SQLite database and a fleet with the same executions."""
    fill(database, client, executions(1500))
    return database, fleet


def figures(report):
    """What an answer says, but for the version of the rules."""
    return [dataclasses.asdict(group) for group in report.groups], report.executions, report.failures


def test_groups_of_failures_are_those_of_sqlite(both, client, subtests):
    """Before hours are rolled up, after it, and with executions that came since."""
    database, fleet = both

    def compare(when):
        for name, selection in SELECTIONS.items():
            with subtests.test(name, when=when):
                answer = figures(error_groups(fleet, selection, with_costs=True))

                assert answer == figures(error_groups(database, selection, with_costs=True))
                assert bool(answer[0]) == (name != "nothing")

    compare("before")
    refresh(client, grace_seconds=0)
    compare("rolled up")
    database.append([dataclasses.replace(each, execution_id=None) for each in executions(3, seed=4)])
    assert database.flush(60)
    copy(database, client)
    compare("late")


def test_sums_are_read_in_place_of_executions(both, client):
    """Else they would be of no use: here the stored sums have one execution more each."""
    _, fleet = both
    refresh(client, grace_seconds=0)
    before = error_groups(fleet).failures
    client.execute(
        "ALTER TABLE learning_instrument_failures UPDATE executions = executions + 1 WHERE 1"
        " SETTINGS mutations_sync = 2"
    )

    assert error_groups(fleet).failures > before


def test_unmasked_messages_are_not_read_where_too_many_arrivals_wait(both, client, monkeypatch):
    """Where refresh has not run for long: the failures are counted, with what to do in place of their messages."""
    _, fleet = both
    expected = error_groups(fleet)
    client.execute("INSERT INTO learning_instrument_arrivals (trace_id, first, last) VALUES ('a', now64(9), now64(9))")
    monkeypatch.setattr(failures, "_MOST_WAITING", 0)

    report = error_groups(fleet, with_costs=True)

    assert report.failures == expected.failures
    assert {group.template for group in report.groups} == {"not masked yet: run learning-instrument fleet refresh"}
    assert sum(group.executions for group in report.groups) == expected.failures
    assert all(group.cost is not None for group in report.groups)
