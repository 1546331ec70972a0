"""Which executions are worth asking a user about."""

from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, worth_asking
from learning_instrument.errors import ConfigurationError
from learning_instrument.outcome import Outcome

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def task(name, minutes=0, **values):
    timestamp = NOON - timedelta(minutes=minutes)
    return ExecutionRecord(
        **{"task_type": "fix", "execution_id": name, "timestamp": timestamp, "duration_seconds": 30.0, **values}
    )


def asked(database, *arguments, **keywords):
    return {each.execution.execution_id: each.reasons for each in worth_asking(database, *arguments, **keywords)}


def test_reasons(database):
    """An ordinary execution has none."""
    database.append(
        [
            task("ordinary", routing_confidence=0.9),
            task("failed", outcome=Outcome.FAILED),
            task("long", duration_seconds=121.0),
            task("swarm", swarm_topology="mesh"),
            task("uncertain", routing_confidence=0.6),
            task("unsaid", routing_confidence=0.0, defaulted=("routing_confidence",)),
            task("both", 9, outcome=Outcome.ERROR, duration_seconds=300.0),
        ]
    )

    found = asked(database)

    assert found == {
        "both": ("failed", "long"),
        "failed": ("failed",),
        "long": ("long",),
        "swarm": ("swarm",),
        "uncertain": ("uncertain",),
    }
    assert next(iter(found)) == "both"


def test_the_dearest_twentieth_is_dear(database):
    """However short; an unreported cost is none."""
    database.append(task(f"{n}", n, duration_seconds=1.0, actual_cost=0.01 * (n + 1)) for n in range(40))
    database.append([task("unknown", duration_seconds=1.0)])

    assert asked(database) == {"38": ("dear",), "39": ("dear",)}


def test_few_or_equal_costs_have_no_dear_ones(database):
    """Among them, none stands out."""
    database.append(task(f"{n}", actual_cost=0.01 * n, duration_seconds=1.0) for n in range(19))
    assert asked(database) == {}
    database.append(task(f"equal {n}", -1, actual_cost=0.5, duration_seconds=1.0, repo="equal") for n in range(40))
    assert asked(database, Selection(repo="equal")) == {}


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.LOST])
def test_execution_without_a_result_is_not_asked_about(database, outcome):
    """There is nothing to judge."""
    database.append([task("one", outcome=outcome, duration_seconds=500.0, swarm_topology="mesh")])

    assert asked(database) == {}


def test_short_execution_is_not_asked_about(database):
    """Its user has hardly waited."""
    database.append([task("short", outcome=Outcome.FAILED, duration_seconds=9.9)])
    database.append([task("untimed", outcome=Outcome.FAILED, defaulted=("duration_seconds",))])

    assert asked(database) == {}


@pytest.mark.parametrize("said", [{"accepted": False}, {"rating": 3}, {"comment": "fine"}])
def test_judged_execution_is_not_asked_about(database, said):
    """Once is enough."""
    database.append([task("judged", outcome=Outcome.FAILED), task("open", outcome=Outcome.FAILED)])
    database.add_feedback("judged", **said)

    assert asked(database) == {"open": ("failed",)}


def test_the_newest_of_the_selected_come_first(database):
    """Up to the limit."""
    database.append(task(f"{n}", n, outcome=Outcome.FAILED, repo="ab"[n % 2]) for n in range(6))

    assert list(asked(database, Selection(repo="a"), limit=2)) == ["0", "2"]
    for limit in (0, True, 1.5):
        with pytest.raises(ConfigurationError, match="limit"):
            worth_asking(database, limit=limit)
