"""Answers that readers share, of a real database."""

import os
import threading
import time
from datetime import datetime, timezone

import pytest
from asking import record, store

from learning_instrument.dashboard.serving import shared_answers
from learning_instrument.dashboard.serving.shared_answers import SharedAnswers
from learning_instrument.errors import DatabaseError


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path, record())
    return path


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(shared_answers, "_REST", 0)


def settle(path):
    """Let the last change of the files be long ago."""
    for file in (path, f"{path}-wal"):
        if os.path.exists(file):
            os.utime(file, ns=(10**18, time.time_ns() - 10**10))


def counted(database):
    (row,) = database.query("SELECT count(*) AS executions FROM executions")
    return b"%d" % row["executions"]


class Making:
    """Counts, and remembers how many are made at a time; each waits for ``let``."""

    def __init__(self):
        self.let = threading.Event()
        self.made = self.at_once = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, database):
        with self._lock:
            self.made += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.let.wait(30)
        with self._lock:
            self.at_once -= 1
        return counted(database)


def in_threads(function, arguments):
    """Call *function* with each of *arguments* at once; return the threads, and where their answers will be."""
    answers = []
    threads = [threading.Thread(target=lambda each=each: answers.append(function(each))) for each in arguments]
    for thread in threads:
        thread.start()
    return threads, answers


def test_answer_is_made_once_until_the_file_changes(path):
    """Then anew."""
    shared, making = SharedAnswers(path), Making()
    making.let.set()
    settle(path)

    assert [shared.get("a", making) for _ in range(3)] == [b"1"] * 3
    assert making.made == 1
    store(path, record(task_type="later"))
    settle(path)
    assert [shared.get("a", making) for _ in range(3)] == [b"2"] * 3
    assert making.made == 2


def test_answer_of_a_file_that_changed_just_now_is_not_kept(path):
    """The clock of the file system may not tell a further commit from the last one."""
    shared, making = SharedAnswers(path), Making()
    making.let.set()

    assert [shared.get("a", making) for _ in range(3)] == [b"1"] * 3
    assert making.made == 3


def test_answer_that_took_long_is_kept_for_some_time(path, monkeypatch):
    """However often the file changes, one page does not keep a processor busy; but not for long."""
    monkeypatch.setattr(shared_answers, "_REST", 10**6)
    shared = SharedAnswers(path)
    assert shared.get("a", counted) == b"1"
    store(path, record())
    assert shared.get("a", counted) == b"1"

    monkeypatch.setattr(shared_answers, "_LONGEST_REST", 0.0)
    assert shared.get("b", counted) == b"2"
    store(path, record())
    assert shared.get("b", counted) == b"3"


def test_answer_of_another_moment_is_made_anew(path):
    """A period that ends now is another one later, also where nothing was stored."""
    shared, making = SharedAnswers(path), Making()
    making.let.set()
    settle(path)

    for minute in (1, 1, 2):
        shared.get("a", making, datetime(2026, 11, 27, 12, minute, tzinfo=timezone.utc))
    assert making.made == 2


def test_another_file_is_another_answer(path, tmp_path):
    """Which has taken the place of the first."""
    shared = SharedAnswers(path)
    other = str(tmp_path / "other.db")
    store(other, record(), record())
    settle(path)
    settle(other)

    assert shared.get("a", counted) == b"1"
    os.replace(other, path)
    assert shared.get("a", counted) == b"2"


def test_those_who_ask_meanwhile_share_the_next_answer(path):
    """Not the one that was begun before they asked, which may lack a row stored since."""
    shared, making = SharedAnswers(path), Making()
    (first,), answers = in_threads(lambda _: shared.get("a", making), [0])
    while not making.made:
        time.sleep(0.001)
    store(path, record())
    threads, later = in_threads(lambda _: shared.get("a", making), range(20))
    time.sleep(0.1)
    making.let.set()
    for thread in (first, *threads):
        thread.join(30)

    assert later == [b"2"] * 20
    assert making.made == 2
    assert answers[0] in (b"1", b"2")


def test_few_answers_are_made_at_a_time(path):
    """Of however many questions."""
    shared, making = SharedAnswers(path), Making()
    threads, answers = in_threads(lambda key: shared.get(key, making), range(20))
    time.sleep(0.2)
    at_once = making.at_once
    making.let.set()
    for thread in threads:
        thread.join(30)

    assert (at_once, making.most, making.made) == (shared_answers._AT_ONCE, shared_answers._AT_ONCE, 20)
    assert answers == [b"1"] * 20


def test_answers_that_are_kept_are_bounded(path):
    """The last ones asked for stay."""
    shared, making = SharedAnswers(path), Making()
    making.let.set()
    settle(path)
    for key in range(shared_answers._MOST + 1):
        shared.get(0, making)
        shared.get(key, making)

    assert making.made == shared_answers._MOST + 1
    shared.get(1, making)
    assert making.made == shared_answers._MOST + 2
    assert len(shared._answers) == shared_answers._MOST


def test_error_is_that_of_each_who_asks(path):
    """And is not kept."""
    shared = SharedAnswers(path)
    os.rename(path, f"{path}.away")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="There is no database"):
            shared.get("a", counted)
    os.rename(f"{path}.away", path)

    assert shared.get("a", counted) == b"1"
