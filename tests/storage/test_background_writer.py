"""The background writer: order, batches, retries, a full queue."""

import threading

import pytest
from waiting import wait_until

from learning_instrument.safety import progress, threads
from learning_instrument.safety.forks import ForkLock
from learning_instrument.storage.background_writer import BATCH, BackgroundWriter


class Target:
    """The target of a writer; it can be closed, and made to fail."""

    def __init__(self):
        self.batches = []
        self.spilled = []
        self.failures = []
        self.tended = threading.Event()
        self.is_open = threading.Event()
        self.is_open.set()
        self.fault = None
        self.has_failed = threading.Event()

    def write(self, items):
        assert self.is_open.wait(10)
        if self.fault is not None:
            raise self.fault
        self.batches.append(list(items))

    def spill(self, items):
        self.spilled += items

    def failed(self, error):
        self.failures.append(error)
        self.has_failed.set()

    @property
    def items(self):
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def target():
    """A target that works."""
    return Target()


@pytest.fixture
def start(target):
    """Make writers; their queues are written in the end."""
    writers = []

    def start(**keywords):
        writer = BackgroundWriter(
            prepare=keywords.pop("prepare", list),
            write=target.write,
            spill=target.spill,
            failed=target.failed,
            housekeeping=keywords.pop("housekeeping", target.tended.set),
            write_lock=ForkLock(),
            **keywords,
        )
        writers.append(writer)
        return writer

    yield start
    target.fault = None
    target.is_open.set()
    for writer in writers:
        assert writer.flush(5.0)


def test_nothing_runs_before_the_first_item(start, target, monkeypatch):
    """An unused database costs no thread."""
    started = []
    monkeypatch.setattr(threads, "start", lambda *args, **kwargs: started.append(args))

    writer = start()

    assert started == []
    assert writer.flush(1.0)


def test_items_are_written_in_order(start, target):
    """Over several batches."""
    writer = start()
    for n in range(3 * BATCH):
        assert writer.put(n)

    assert writer.flush(5.0)

    assert target.items == list(range(3 * BATCH))
    assert max(map(len, target.batches)) <= BATCH
    assert writer.backlog == 0


def test_flush_waits_for_the_batch_in_progress(start, target):
    """Not only for the queue."""
    target.is_open.clear()
    writer = start()
    writer.put("a")

    assert writer.flush(0.05) is False
    assert writer.backlog == 1
    target.is_open.set()
    assert writer.flush(5.0) is True
    assert target.items == ["a"]


def test_end_spills_what_cannot_be_written(start, target):
    """The batch and the queue, in order, without the marks of flushes; once, though several hooks run."""
    target.fault = OSError("no space left on device")
    writer = start()
    writer.put("a")
    assert not writer.flush(5.0)
    writer.put("b")
    assert not writer.flush(5.0)
    assert writer.unwritten == 2

    writer.end()
    writer.end()

    assert target.spilled == ["a", "b"]


def test_end_spills_the_batch_of_a_write_that_hangs(start, target):
    """The thread that writes it may never come back; a flush of another thread ends as well."""
    target.is_open.clear()
    writer = start()
    writer.put("a")
    wait_until(lambda: writer.unwritten == 1 and not writer._queue)
    writer.put("b")
    answers = []
    flushing = threading.Thread(target=lambda: answers.append(writer.flush(60)))
    flushing.start()
    wait_until(lambda: len(writer._queue) == 2)

    writer.spill()

    assert target.spilled == ["a", "b"]
    flushing.join(30)
    assert answers == [False]


def test_items_in_preparation_count_as_backlog(start, target):
    """Between queue and batch they are counted at any time."""
    preparing, go_on = threading.Event(), threading.Event()

    def prepare(items):
        preparing.set()
        assert go_on.wait(10)
        return items

    writer = start(prepare=prepare)
    writer.put("a")
    assert preparing.wait(10)

    assert writer.backlog >= 1
    go_on.set()
    assert writer.flush(5.0)
    assert target.items == ["a"]


def test_many_threads_lose_nothing(start, target):
    """Each item is written once."""
    writer = start()

    def put(number):
        for n in range(1000):
            assert writer.put((number, n))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert writer.flush(5.0)
    assert sorted(target.items) == [(number, n) for number in range(4) for n in range(1000)]


def test_failed_batch_is_retried(start, target):
    """Before later items."""
    target.fault = OSError("disk full")
    writer = start()
    writer.put("a")
    assert target.has_failed.wait(10)
    writer.put("b")

    target.fault = None

    assert writer.flush(5.0)
    assert target.items == ["a", "b"]
    assert target.failures[0].args == ("disk full",)


def test_full_queue_of_a_failing_target_refuses_at_once(start, target):
    """The caller does not wait for a database that may stay unwritable."""
    target.fault = OSError("disk full")
    writer = start(capacity=3)
    writer.put("a")
    assert target.has_failed.wait(10)

    results = [writer.put(n) for n in range(10)]

    assert results.count(True) <= 3
    assert results[-1] is False
    assert writer.backlog <= 4


def test_full_queue_waits_while_there_is_progress(start, target):
    """A burst slows its callers down, and loses nothing."""
    writer = start(capacity=8, gather_seconds=0.001)

    assert all(writer.put(n) for n in range(2000))

    assert writer.flush(5.0)
    assert target.items == list(range(2000))


def test_full_queue_without_progress_refuses_after_a_short_wait(start, target):
    """A target that hangs must not hang the tasks."""
    target.is_open.clear()
    writer = start(capacity=3)

    assert writer.put("written")
    wait_until(lambda: writer._taken)

    assert [writer.put(n) for n in range(5)] == [True] * 3 + [False] * 2


def test_housekeeping_runs_on_request(start, target):
    """Though the queue is empty."""
    writer = start()

    writer.request_housekeeping()

    assert target.tended.wait(10)


def test_failing_housekeeping_is_reported_and_harmless(start, target):
    """The next round retries it, and items are written."""
    writer = start(housekeeping=lambda: 1 / 0)
    writer.request_housekeeping()
    assert target.has_failed.wait(10)

    writer.put("a")

    assert writer.flush(5.0)
    assert target.items == ["a"]
    assert isinstance(target.failures[0], ZeroDivisionError)


def test_housekeeping_that_requests_more_runs_again(start, target):
    """Until it is done."""
    rounds, done = [], threading.Event()

    def housekeep():
        rounds.append(None)
        if len(rounds) < 3:
            writer.request_housekeeping()
        else:
            done.set()

    writer = start(housekeeping=housekeep)
    writer.request_housekeeping()

    assert done.wait(10)


def test_flush_writes_nothing_while_the_process_forks(start, target):
    """Neither does the flushing thread: a child would inherit a connection in use."""
    writer = start()
    writer.pause()
    writer.put("a")

    assert not writer.flush(0.05)
    assert target.items == []

    writer.unpause()
    assert writer.flush(30)
    assert target.items == ["a"]


def test_nothing_is_written_between_batches(start, target):
    """Until the action is over."""
    writer = start()

    def act():
        writer.put("a")
        assert writer.flush(0.05) is False
        return list(target.items)

    assert writer.between_batches(act) == []
    assert writer.flush(5.0)


def test_writer_that_does_not_stop_in_time_is_left_alone(start, target):
    """The action is not called."""
    target.is_open.clear()
    writer = start()
    writer.put("a")
    wait_until(lambda: writer._steps)

    assert writer.between_batches(lambda: "called", 0.05) is None
    assert not writer.is_contended or writer.backlog
    target.is_open.set()


def test_after_a_fork_the_queue_is_the_parents(start, target):
    """A child that wrote it too would do the parent's work twice."""
    target.is_open.clear()
    writer = start()
    writer.put("the parent's")

    child = start()
    child._queue = writer._queue.copy()
    child.reset()

    assert child.backlog == 0
    assert child.put("the child's")


def test_pause_waits_while_the_thread_makes_progress(start, target, monkeypatch):
    """A fork in the middle of a write would leave its child with a locked SQLite; one that hangs is not waited for."""
    monkeypatch.setattr(progress, "STALLED_SECONDS", 0.4)
    monkeypatch.setattr(progress, "_LEAST_TURNS", 1)
    begun, go_on = threading.Event(), threading.Event()

    def housekeep():
        begun.set()
        while not go_on.wait(0.01):
            assert writer.is_contended

    writer = start(housekeeping=housekeep)
    writer.put("a")
    writer.request_housekeeping()
    assert begun.wait(10)
    threading.Timer(1.0, go_on.set).start()

    assert writer.pause()
    writer.unpause()

    target.is_open.clear()
    writer.put("b")
    wait_until(lambda: writer._taken)
    assert not writer.pause()
    writer.unpause()


def test_drain_waits_as_long_as_batches_are_written(start, target):
    """However long the queue is."""
    write = target.write
    target.write = lambda items: (threading.Event().wait(0.05), write(items))
    writer = start(gather_seconds=0.0)
    for n in range(6 * BATCH):
        writer.put(n)

    assert writer.drain(0.2)
    assert target.items == list(range(6 * BATCH))


def test_drain_ends_without_progress(start, target):
    """A database that stays locked."""
    target.is_open.clear()
    writer = start()
    writer.put("a")

    assert not writer.drain(0.05)
