"""What watches remember in the file."""

import contextlib
import re
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import LearningDatabase
from learning_instrument.sqlite.connection import open_for_maintenance
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.storage import alert_memory
from learning_instrument.storage.alert_memory import Alert, WatchState

NOW = datetime(2026, 11, 22, 10, tzinfo=timezone.utc)
FIRST = WatchState(NOW, NOW, ("e-1", "e-2"), {"2026-11-22T10:00": (3, 1)}, False)
ALERT = Alert("burst", "", {"kind": "burst", "execution_ids": ["e-1", "e-3"]})


@pytest.fixture
def path(tmp_path):
    """The path of an empty database."""
    path = str(tmp_path / "learning.db")
    LearningDatabase(path).open()
    return path


@contextlib.contextmanager
def writing(path):
    """Yield a function that executes statements in one transaction."""
    with open_for_maintenance(path) as connection, connection.transaction() as opened:
        yield lambda sql, parameters=(): opened.execute(sql, parameters).fetchall()


def advance(path, before, after, alerts=(), targets=("exec",), watch="w"):
    with writing(path) as execute:
        return alert_memory.advance(execute, watch, before, after, alerts, targets)


def take(path, now=NOW, target="exec", watch="w"):
    with writing(path) as execute:
        return alert_memory.take(execute, watch, target, now)


def state(path, watch="w"):
    with ReadOnlyDatabase(path) as database:
        return alert_memory.state_of(database, watch)


def test_state_is_read_as_it_was_stored(path):
    """Of each watch its own."""
    assert state(path) is None

    assert advance(path, None, FIRST)

    assert state(path) == FIRST
    assert state(path, "other") is None


def test_slower_look_stores_nothing(path):
    """Neither its state nor its alerts: the faster one has told them."""
    assert advance(path, None, FIRST)
    assert not advance(path, None, FIRST, [ALERT])
    second = WatchState(NOW, NOW + timedelta(seconds=9), ("e-3",), {}, True)
    assert advance(path, FIRST, second, [ALERT])
    assert not advance(path, FIRST, second, [ALERT])

    assert state(path) == second
    assert take(path) is None  # not before it was stored
    assert take(path, NOW + timedelta(seconds=9)) is not None
    assert take(path, NOW + timedelta(seconds=9)) is None


def test_alert_is_delivered_by_one_process_at_each_target(path):
    """Another gets it only where the first never says how it went."""
    advance(path, None, FIRST, [ALERT], ("exec", "webhook"))

    first, second = take(path), take(path, target="webhook")

    assert first.document == second.document == {"alert_id": first.alert_id, **ALERT.document}
    assert take(path) is None
    assert take(path, NOW + timedelta(seconds=100)) is None
    assert take(path, NOW + timedelta(seconds=121)) == first
    with writing(path) as execute:
        alert_memory.settle(execute, first)
    assert take(path, NOW + timedelta(days=1)) is None
    assert take(path, NOW + timedelta(days=1), "webhook") == second


def test_failed_delivery_waits_longer_each_time_and_is_given_up(path):
    """After a day."""
    advance(path, None, FIRST, [ALERT])
    pauses, now = [], NOW
    while (delivery := take(path, now)) is not None:
        with writing(path) as execute:
            pause = alert_memory.retry(execute, delivery, now)
        pauses.append(pause)
        now += pause or timedelta(days=9)

    assert [pause.total_seconds() for pause in pauses[:6]] == [5, 20, 80, 320, 1280, 3600]
    assert pauses[-1] is None
    assert sum(pauses[:-1], timedelta(0)) > timedelta(hours=24)


def test_last_time_of_a_kind_and_subject_is_known(path):
    """Also of what was told; an old one is forgotten."""
    advance(path, None, FIRST, [ALERT], ())
    with ReadOnlyDatabase(path) as database:
        assert alert_memory.last_told(database, "w", "burst", "") == NOW
        assert alert_memory.last_told(database, "w", "burst", "other") is None
        assert alert_memory.last_told(database, "other", "burst", "") is None
    advance(path, FIRST, WatchState(NOW, NOW + timedelta(days=401), (), {}, False))
    with ReadOnlyDatabase(path) as database:
        assert alert_memory.last_told(database, "w", "burst", "") is None


def test_deleted_executions_are_forgotten(path):
    """What was not told of them, and their ids; a place that had some is not taken for one that had none."""
    other = Alert("burst", "x", {"execution_ids": ["e-4"]})
    advance(path, None, FIRST, [ALERT, other])
    with writing(path) as execute:
        alert_memory.forget(execute, ["e-2", "e-3"])

    assert state(path).place == ("e-1", "")
    assert take(path).document["execution_ids"] == ["e-4"]
    assert take(path) is None
    with ReadOnlyDatabase(path) as database:
        assert not re.search(r"\be-3\b", str(database.query("SELECT * FROM alerts")))  # but maybe within a random id
