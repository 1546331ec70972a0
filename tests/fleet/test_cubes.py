"""Sums of groups of executions are SQLite's, from cells, from the executions, and from both."""

import dataclasses
import itertools
from datetime import timedelta

import pytest

from learning_instrument.analytics.sources import sqlite_cubes
from learning_instrument.analytics.sources.cube_rows import CubeQuestion
from learning_instrument.fleet import cubes
from learning_instrument.fleet.refresh import refresh
from learning_instrument.rollups.measures import MEASURES
from learning_instrument.sqlite.selection import Selection

from .same_executions import START, copy, executions, fill

DAY = timedelta(days=1)
SELECTIONS = {
    "all": Selection(),
    "a window that divides hours": Selection(since=START + DAY + timedelta(seconds=77), until=START + 3 * DAY),
    "filters": Selection(task_type="unknown", repo="y's", until=START + 4 * DAY + timedelta(minutes=1)),
    "a key of metadata": Selection(where={"metadata.customer": "glöbex"}),
    "nothing": Selection(repo="none"),
}
BY = [
    (),
    ("task_type",),
    ("repo", "model_tier"),
    ("day",),
    ("hour", "pool_type"),
    ("metadata.customer",),
    ("outcome", "day"),
]


def figures(found):
    """What a source answers, in types that compare."""
    groups = [
        {key: (group.sums, {**group.counts}) for key, group in each.items()} for each in (found.groups, found.others)
    ]
    return [*groups, found.merged if found.others else 0]


@pytest.fixture
def both(database, client, fleet):
    """A SQLite database and a fleet with the same executions."""
    fill(database, client, executions(1500))
    return database, client


def test_groups_are_those_of_sqlite(both, subtests):
    """All measures, all bins; the groups beyond a limit together."""
    database, client = both
    for by, chosen in itertools.product(BY, SELECTIONS):
        for limit in (None,) if set(by) <= {"day", "hour"} else (None, 1, 2):
            question = CubeQuestion(by, SELECTIONS[chosen], tuple(MEASURES), "durations", limit)
            with subtests.test(by=by, chosen=chosen, limit=limit):
                assert figures(cubes.groups(client, question)) == figures(sqlite_cubes.groups(database, question))


def test_waits_and_some_groups_are_those_of_sqlite(both):
    """What no cube has."""
    database, client = both
    for question in (
        CubeQuestion(("pool_type",), Selection(), ("executions", "waited", "waited_us"), "waits"),
        CubeQuestion(("repo", "day"), Selection(), ("executions",), among=("x", "y's")),
    ):
        assert figures(cubes.groups(client, question)) == figures(sqlite_cubes.groups(database, question))


def test_cells_and_executions_add_up_to_those_of_sqlite(both, subtests):
    """Whatever arrived since the cells were made; the cells of an hour that changed do not count."""
    database, client = both
    refresh(client, grace_seconds=0)
    late = [dataclasses.replace(each, execution_id=None) for each in executions(3, seed=4)]
    database.append(late)
    assert database.flush(60)
    copy(database, client)
    for by, chosen in itertools.product(BY[:5], SELECTIONS):
        question = CubeQuestion(by, SELECTIONS[chosen], tuple(MEASURES), "durations")
        with subtests.test(by=by, chosen=chosen):
            answer = figures(cubes.groups(client, question))

            assert answer == figures(sqlite_cubes.groups(database, question))
            assert answer == figures(cubes.groups(client, dataclasses.replace(question, with_cubes=False)))


def test_cells_are_read_in_place_of_executions(both):
    """Else they would be of no use: here they are given away by a sum that no execution has."""
    _, client = both
    refresh(client, grace_seconds=0)
    question = CubeQuestion(("repo",), Selection(), ("executions",))
    before = figures(cubes.groups(client, question))[0]
    client.execute(
        "ALTER TABLE learning_instrument_cubes UPDATE executions = executions + 1 WHERE 1 SETTINGS mutations_sync = 2"
    )

    assert figures(cubes.groups(client, question))[0] != before
