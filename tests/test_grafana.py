"""The dashboards of ``examples/grafana`` are whole, and what their SQL answers is what ``analytics`` answers.

What Prometheus answers to its own: ``tests/e2e/test_prometheus.py``; and ClickHouse: ``tests/fleet/test_dashboard.py``.
"""

import contextlib
import math
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from executions import NEW, START, database_of
from grafana import as_sql, dashboard, panels, queries, variables
from hypothesis import example, given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, performance, queue_waits, summary
from learning_instrument.analytics.group_totals import totals
from learning_instrument.sqlite.descriptions import TABLES

NAMES = ("sqlite", "clickhouse", "prometheus")
#: Around all that ``NEW`` makes.
SINCE, UNTIL = START - timedelta(days=1), START + timedelta(days=5)
#: What is in a range, and in a selection of pools and tiers.
CHOICES = [
    ({}, Selection(since=SINCE, until=UNTIL)),
    ({"tier": ["small"]}, Selection(since=SINCE, until=UNTIL, model_tier="small")),
    ({"pool": ["unknown"]}, Selection(since=SINCE, until=UNTIL, pool_type="unknown")),
]


def asked(path, query, since=SINCE, until=UNTIL, **chosen):
    """Return the rows that *query* gives, read as the plugin reads them: in a connection that only reads."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(as_sql(query, since, until, **chosen))]


def of_panel(path, title, **chosen):
    return asked(path, queries("sqlite")[title, 0], **chosen)


def day_of(seconds):
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d}"


def succeeded_of(group):
    return round(group.success.estimate * group.executions)


def nearly(value):
    """Roll-ups keep billionths of a dollar."""
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-6)


def within_a_bin(value):
    """Quantiles of ``analytics`` are within 1.5%, and durations are to the microsecond."""
    return None if value is None else pytest.approx(value, rel=0.016, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_dashboard_is_whole(name):
    """Panels lie beside each other, each says what it shows, and all ask the chosen data source."""
    found = dashboard(name)
    taken = set()
    for panel in found["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["description"].endswith(".")
        for where in (panel, *panel["targets"]):
            assert where["datasource"]["uid"] == "${datasource}"
    assert {panel["id"] for panel in found["panels"]} == set(range(1, len(found["panels"]) + 1))
    assert found["schemaVersion"] >= 41
    assert found["timezone"] == "utc"
    assert list(variables(name)) == ["datasource", "pool", "tier"]
    assert all(variable["allValue"] for variable in variables(name).values() if variable["type"] == "query")


@pytest.mark.parametrize("name", NAMES)
def test_axes_begin_at_zero_and_an_unknown_value_is_no_zero(name):
    """Every axis, and every figure that there may not be."""
    for panel in panels(name).values():
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["noValue"] == "unknown"
        if panel["type"] == "timeseries":
            assert defaults["min"] == 0
            assert defaults["custom"]["lineInterpolation"] == "linear"
            assert not defaults["custom"]["spanNulls"]


def test_plugin_gets_the_query_that_is_shown():
    """It keeps it twice: for the editor and for its backend."""
    for panel in panels("sqlite").values():
        for target in panel["targets"]:
            assert target["queryText"] == target["rawQueryText"]
            assert target["queryType"] in ("table", "time series")


def test_queries_read_promised_tables_alone(database):
    """The others may change with any release."""
    database.close()
    read = set()

    def note(action, table, *_):
        if action == sqlite3.SQLITE_READ and table:
            read.add(table)
        return sqlite3.SQLITE_OK

    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        connection.set_authorizer(note)
        for query in queries("sqlite").values():
            connection.execute(as_sql(query, SINCE, UNTIL)).fetchall()

    assert {"executions", "running"} <= read <= set(TABLES) | {"chosen", "ranked"}


@given(st.lists(NEW, max_size=30))
@example([])
def test_tiles_say_what_analytics_says(records):
    with database_of(records) as database:
        for chosen, selection in CHOICES:
            ((executions,), (success,), (cost,), (p95,)) = (
                of_panel(database.path, title, **chosen)
                for title in ("Executions", "Success", "Cost", "95th percentile")
            )
            everything = summary(database, selection)
            assert executions == {"executions": everything.executions}
            if not everything.executions:
                assert (*success.values(), cost["cost_usd"], *p95.values()) == (None,) * 4
                continue
            assert success == {
                "succeeded": nearly(everything.success.estimate),
                "assumed": everything.assumed,
            }
            assert cost["cost_usd"] == nearly(everything.cost_usd)
            assert cost["unknown"] == everything.unpriced + everything.unreported
            assert cost["partial"] == everything.partial
            assert p95["p95"] == within_a_bin(
                totals(database, (), selection, (), with_durations=True)[()].quantile(0.95)
            )


@given(st.lists(NEW, max_size=30))
def test_days_and_tiers_say_what_analytics_says(records):
    with database_of(records) as database:
        for chosen, selection in CHOICES:
            days = performance(database, by=("day",), selection=selection)
            cells = performance(database, by=("day", "model_tier"), selection=selection)

            shown = [
                (day_of(row["time"]), row["succeeded"], row["not succeeded"])
                for row in of_panel(database.path, "Executions by day", **chosen)
            ]
            assert shown == [(*day.group, succeeded_of(day), day.executions - succeeded_of(day)) for day in days]

            def by_group(title, value, chosen=chosen):
                rows = of_panel(database.path, title, **chosen)
                assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)  # the plugin wants it
                return {(day_of(row["time"]), row["tier"]): row[value] for row in rows}

            assert by_group("Success by day and tier", "succeeded") == {
                cell.group: nearly(cell.success.estimate) for cell in cells
            }
            assert by_group("95th percentile by day and tier", "p95") == {
                cell.group: within_a_bin(cell.p95_seconds) for cell in cells if cell.p95_seconds is not None
            }
            assert by_group("Known cost by day and tier", "cost_usd") == {
                cell.group: nearly(cell.cost_usd) for cell in cells if cell.cost_usd is not None
            }
            waits = queue_waits(database, by=("day", "pool_type"), selection=selection)
            assert {
                (day_of(row["time"]), row["pool"]): row["p95"]
                for row in of_panel(database.path, "Queue wait by day and pool", **chosen)
            } == {wait.group: within_a_bin(wait.p95_seconds) for wait in waits if wait.measured}


@given(st.lists(NEW, max_size=30))
def test_tables_say_what_analytics_says(records):
    with database_of(records) as database:
        for chosen, selection in CHOICES:
            tiers = {tier.group[0]: tier for tier in performance(database, by="model_tier", selection=selection)}
            rows = of_panel(database.path, "Tiers side by side", **chosen)
            assert len(rows) == len(tiers)
            for row in rows:
                tier = tiers[row["tier"]]
                assert row == {
                    "tier": tier.group[0],
                    "executions": tier.executions,
                    "succeeded": nearly(tier.success.estimate),
                    "assumed": tier.assumed,
                    "cost_usd": nearly(tier.cost_usd),
                    "cost_per_success_usd": nearly(tier.cost_per_success_usd),
                    "cost_unknown": tier.unpriced + tier.unreported,
                    "cost_partly_known": tier.partial,
                }
            failures = of_panel(database.path, "Failures", **chosen)
            assert sum(row["executions"] for row in failures) == sum(
                tier.executions - succeeded_of(tier) for tier in tiers.values()
            )


@given(st.lists(NEW, min_size=1, max_size=30))
def test_column_has_values_of_one_kind(records):
    """The plugin takes the kind of the first one for all: a sum of 1 first would cut 0.25 to 0."""
    with database_of(records) as database:
        for query in queries("sqlite").values():
            rows = asked(database.path, query)
            for column in rows[0] if rows else ():
                assert len({type(row[column]) for row in rows if row[column] is not None}) <= 1


def test_only_the_time_range_counts(database):
    """To the millisecond, its end excluded, as everywhere."""
    database.append(
        [
            ExecutionRecord(task_type="fix", timestamp=START + timedelta(milliseconds=moment), model_tier="small")
            for moment in (-1, 0, 500, 999, 1000)
        ]
    )
    database.flush()
    asked_for = {"since": START, "until": START + timedelta(seconds=1)}

    assert asked(database.path, queries("sqlite")["Executions", 0], **asked_for) == [{"executions": 3}]
    assert asked(database.path, queries("sqlite")["variable", "tier"], **asked_for) == [
        {"coalesce(model_tier, 'unknown')": "small"}
    ]


def test_any_name_of_a_pool_can_be_chosen(database):
    """Quotes included: it stays a value."""
    name = "it's'); DROP TABLE executions; --"
    database.append([ExecutionRecord(task_type="fix", timestamp=START, pool_type=each) for each in (name, "other")])
    database.flush()

    assert asked(database.path, queries("sqlite")["Executions", 0], pool=[name]) == [{"executions": 1}]
    assert asked(database.path, queries("sqlite")["Executions", 0], pool=[name, "other"]) == [{"executions": 2}]


RUNS = """
import sys, time
from learning_instrument import configure, record_execution

class Pool:
    pool_type = "agents"

    @record_execution
    def execute_task(self, task):
        print("running", flush=True)
        time.sleep(60)

configure(sys.argv[1])
Pool().execute_task({"task_type": "review"})
"""


def test_running_executions_are_of_processes_that_live(database):
    """One that runs is there; an entry without a heartbeat for a minute is not."""
    from waiting import wait_until

    with subprocess.Popen([sys.executable, "-c", RUNS, database.path], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "running\n"
            wait_until(lambda: of_panel(database.path, "Running") == [{"running": 1}])
            (row,) = of_panel(database.path, "Running now")
            assert (row["task_type"], row["pool"], row["process_id"]) == ("review", "agents", process.pid)
            assert 0.9 < row["age"] < 60
            assert of_panel(database.path, "Running", pool=["others"]) == [{"running": 0}]
        finally:
            process.kill()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("UPDATE running SET heartbeat = '2026-01-01T00:00:00+00:00'")
    assert of_panel(database.path, "Running") == [{"running": 0}]
    assert of_panel(database.path, "Running now") == []


def test_failures_are_named_with_the_newest_message(database):
    """By kind and class of exception."""
    database.append(
        [
            ExecutionRecord(
                task_type="fix", timestamp=START + timedelta(hours=hours), success=False, error_type="timeout",
                exception_type="TimeoutError", error_message=f"after {hours} h",
            )
            for hours in (2, 1)
        ]
    )  # fmt: skip
    database.flush()

    (row,) = of_panel(database.path, "Failures")
    assert (row["error_type"], row["exception_type"], row["executions"]) == ("timeout", "TimeoutError", 2)
    assert row["message"] == "after 2 h"
    assert row["first"] < row["time"]
    assert math.isclose(datetime.fromisoformat(row["time"]).timestamp(), (START + timedelta(hours=2)).timestamp())
