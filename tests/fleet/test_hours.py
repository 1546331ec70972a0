"""Roll-ups of a fleet: their cells are those of SQLite's, hour by hour."""

import dataclasses
from collections import Counter
from datetime import timedelta

import pytest
from executions import NEW, START
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.columns import COLUMNS
from learning_instrument.fleet import hours, schema
from learning_instrument.fleet.cells import name_of
from learning_instrument.record import row_from_record
from learning_instrument.rollups import histograms
from learning_instrument.rollups.cubes import CUBES, WIDE, advance
from learning_instrument.rollups.measures import MEASURES
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.dimensions import TIME_BUCKETS

from . import otel_traces


@pytest.fixture
def fleet(clickhouse, client):
    """The client of a fleet without executions."""
    otel_traces.create(clickhouse)
    schema.init(client)
    return client


def put(client, records, version=0):
    rows = [row_from_record(record) for record in records]
    client.insert("learning_instrument_executions", (*COLUMNS, "version"), [(*row, version) for row in rows])


def roll_up(client):
    done = 0
    while rolled_up := hours.roll_up(client, 0):
        done += rolled_up
    return done


def in_fleet(client, cube, digits):
    """Return the cells of a cube that count: bucket and keys -> sums, and histogram."""
    rows = client.rows(
        f"SELECT * FROM learning_instrument_cubes AS cells WHERE cube = '{name_of(cube)}' AND (bucket, generation) IN"
        " (SELECT bucket, generation FROM learning_instrument_generations FINAL)"
    )
    return added_up(
        ((row["bucket"][:digits], *(row[key] for key in cube.keys)), [row[name] for name in MEASURES], row["histogram"])
        for row in rows
    )


def in_sqlite(path, records):
    """Return the cells of each cube."""
    target = WriteConnection(str(path), 5.0)
    target.insert([row_from_record(record) for record in records])
    while advance(target):
        pass
    found = {}
    for cube in CUBES:
        size = len(cube.columns)
        rows = target.execute(f"SELECT {', '.join((*cube.columns, *MEASURES))}, histogram FROM {cube.table}")
        found[cube] = added_up((tuple(row[:size]), row[size:-1], counts_of(row[-1])) for row in rows)
    target.close()
    return found


def counts_of(histogram):
    counts = Counter()
    histograms.add(histogram, counts)
    return counts


def added_up(cells):
    found = {}
    for place, sums, histogram in cells:
        before, counts = found.get(place, ([0] * len(sums), Counter()))
        found[place] = [one + other for one, other in zip(before, sums, strict=True)], counts + Counter(histogram)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NEW, min_size=1, max_size=60))
def test_cells_are_those_of_sqlite(fleet, tmp_path_factory, records):
    """Keys, sums and bins, of any executions; days are sums of their hours."""
    for table in ("executions", "cubes", "generations", "touched"):
        fleet.execute(f"TRUNCATE TABLE learning_instrument_{table}")
    put(fleet, records)

    roll_up(fleet)

    path = tmp_path_factory.mktemp("file") / "learning.db"
    for cube, expected in in_sqlite(path, records).items():
        assert in_fleet(fleet, cube, TIME_BUCKETS[cube.bucket]) == expected


def records(count, **values):
    given = {"task_type": "review", "timestamp": START, "duration_seconds": 2.0, **values}
    return [ExecutionRecord(**given) for _ in range(count)]


def test_hour_that_changed_is_rolled_up_again(fleet):
    """And no other one; what it was does not count any more."""
    (one,) = records(1)
    put(fleet, [one, *records(1, timestamp=START + timedelta(hours=3))])
    assert roll_up(fleet) == 2
    assert roll_up(fleet) == 0

    put(fleet, [dataclasses.replace(one, model_tier="large"), *records(2)], version=1)

    assert roll_up(fleet) == 1
    assert {place: sums[0] for place, (sums, _) in in_fleet(fleet, WIDE, 10).items()} == {
        ("2026-11-01", "review", "large", "unknown", "unknown"): 1,
        ("2026-11-01", "review", "unknown", "unknown", "unknown"): 2,
        ("2026-11-02", "review", "unknown", "unknown", "unknown"): 1,
    }


def test_cells_that_do_not_count_are_deleted_when_nobody_reads_them_any_more(fleet, monkeypatch):
    """Those of an hour that was rolled up again, and those of a refresh that was killed."""
    put(fleet, records(1))
    roll_up(fleet)
    put(fleet, records(1, model_tier="large"))
    roll_up(fleet)
    count = "SELECT count() AS count FROM learning_instrument_cubes WHERE cube = 'task_type_model_tier_pool_type_repo'"
    hours.delete_stale(fleet)
    (before,) = fleet.rows(count)

    monkeypatch.setattr(hours, "_READ_SECONDS", 0)
    hours.delete_stale(fleet)

    (after,) = fleet.rows(count)
    assert (before["count"], after["count"]) == (3, 2)
    assert sum(sums[0] for sums, _ in in_fleet(fleet, WIDE, 10).values()) == 2


def test_widest_cells_of_nearly_unique_keys_are_not_kept(fleet, monkeypatch):
    """Of that hour alone; the other cubes have it."""
    monkeypatch.setattr(hours, "MOST_CELLS", 3)
    unique = [record for number in range(5) for record in records(1, repo=f"repository {number}")]
    few = records(5, timestamp=START + timedelta(hours=3))
    put(fleet, [*unique, *few])

    roll_up(fleet)

    kept = fleet.rows("SELECT bucket, cubes FROM learning_instrument_generations FINAL ORDER BY bucket")
    assert [name_of(WIDE) in row["cubes"] for row in kept] == [False, True]
    assert [sum(sums[0] for sums, _ in in_fleet(fleet, cube, 10).values()) for cube in CUBES] == [10, 10, 10, 5]


def test_few_executions_at_once_are_rolled_up_to_the_end(fleet, monkeypatch):
    """An hour with more than that is rolled up by itself."""
    monkeypatch.setattr(hours, "_EXECUTIONS", 3)
    put(fleet, [one for hour in range(4) for one in records(2 + hour, timestamp=START + timedelta(hours=hour))])

    assert roll_up(fleet) == 4
    assert sum(sums[0] for sums, _ in in_fleet(fleet, WIDE, 10).values()) == 14


def test_executions_that_came_behind_their_cells_are_found_and_rolled_up(fleet, monkeypatch):
    """Of an insert that took longer than the grace time; what was counted is not counted again."""
    put(fleet, [*records(2), *records(2, timestamp=START + timedelta(hours=3))])
    roll_up(fleet)
    touched = fleet.rows("SELECT bucket, at FROM learning_instrument_touched FINAL")
    put(fleet, records(5))
    fleet.execute("TRUNCATE TABLE learning_instrument_touched")
    fleet.insert("learning_instrument_touched", ("bucket", "at"), [[*row.values()] for row in touched])
    hours.count_again(fleet)  # too early
    assert roll_up(fleet) == 0

    monkeypatch.setattr(hours, "_READ_SECONDS", 0)
    hours.count_again(fleet)

    assert roll_up(fleet) == 1
    assert sum(sums[0] for sums, _ in in_fleet(fleet, WIDE, 10).values()) == 9
    hours.count_again(fleet)
    assert roll_up(fleet) == 0
    monkeypatch.setattr(hours, "_numbers", None)
    hours.count_again(fleet)


def test_hour_whose_last_execution_is_young_is_left_for_later(fleet):
    """An insert may take a while until all see it."""
    put(fleet, records(1))

    assert hours.roll_up(fleet, 3600) == 0
