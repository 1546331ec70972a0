"""The thread that looks at a database."""

import itertools
import queue
import threading
import time

import pytest
from asking import NOON, record, store

from learning_instrument.dashboard.top.reader import Failed, Opened, Reader
from learning_instrument.dashboard.top.state import Asked, Look, Observer
from learning_instrument.errors import UnknownExecutionError
from learning_instrument.sqlite.selection import Selection

ALL = Asked(Selection())


@pytest.fixture
def answers():
    return queue.SimpleQueue()


@pytest.fixture
def reading(tmp_path, answers):
    """Return a function that starts a reader."""
    store(tmp_path / "learning.db", record(execution_id="e"))
    started = []

    def read(observer=None, every=3600.0, story=lambda database, execution_id: lambda: f"story of {execution_id}"):
        observer = observer or Observer(str(tmp_path / "learning.db"), lambda: NOON)
        reader = Reader(observer, ALL, every, story, answers.put)
        started.append(reader)
        assert reader.start()
        return reader

    yield read
    for reader in started:
        reader.stop()


def test_it_looks_every_now_and_then(reading, answers):
    """Without being told."""
    reading(every=0.01)

    assert [type(answers.get(timeout=30)) for _ in range(3)] == [Look] * 3


def test_it_looks_at_once_when_told(reading, answers):
    """For what is asked from then on."""
    reader = reading()
    answers.get(timeout=30)
    other = Asked(Selection(repo="shop"))
    reader.look(other)

    assert answers.get(timeout=30).asked == other


def test_execution_is_opened(reading, answers):
    """Its text is laid out by the one who shows it."""
    reader = reading()
    answers.get(timeout=30)
    reader.open("e")

    opened = answers.get(timeout=30)
    assert isinstance(opened, Opened)
    assert (opened.execution_id, opened.text()) == ("e", "story of e")


@pytest.mark.parametrize(
    ("error", "said"),
    [(UnknownExecutionError("Unknown execution 'e'."), "Unknown execution 'e'."), (TypeError("x"), "doctor names")],
)
def test_error_is_an_answer(reading, answers, error, said):
    """Those of values that another program stored, too; the next question is answered."""

    def story(database, execution_id):
        raise error

    reader = reading(story=story)
    answers.get(timeout=30)
    reader.open("e")

    failed = answers.get(timeout=30)
    assert isinstance(failed, Failed)
    assert said in failed.what
    reader.look(ALL)
    assert isinstance(answers.get(timeout=30), Look)


class Slow:
    """Looks until it is let go."""

    def __init__(self):
        self.looks = 0
        self.is_free = threading.Event()
        self.is_closed = threading.Event()

    def look(self, asked):
        self.looks += 1
        self.is_free.wait(60)
        return asked

    def close(self):
        self.is_closed.set()


def test_end_does_not_wait_for_a_slow_answer(reading, answers):
    """The file is closed by the thread, when it is done."""
    slow = Slow()
    reader = reading(slow)
    reader.stop()

    assert not slow.is_closed.is_set()
    slow.is_free.set()
    assert slow.is_closed.wait(30)


class Timed:
    """Takes a while to look, and notes from when to when."""

    def __init__(self):
        self.looks = []

    def look(self, asked):
        began = time.monotonic()
        time.sleep(0.05)
        self.looks.append((began, time.monotonic()))
        return asked

    def close(self):
        pass


def test_slow_answers_are_asked_for_less_often(reading, answers):
    """A database that takes long is not read all the time: the pause after a look is a multiple of it."""
    timed = Timed()
    reading(timed, every=0.01)
    for _ in range(3):
        answers.get(timeout=30)

    assert all(
        later - ended > 4 * (ended - began) for (began, ended), (later, _) in itertools.pairwise(timed.looks[:3])
    )
