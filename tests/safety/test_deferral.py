"""Log lines and closing wait until this thread holds no lock of ours."""

import ast
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import learning_instrument
from learning_instrument.safety import deferral
from learning_instrument.safety.deferral import Section
from learning_instrument.safety.guards import inform, warn

log = logging.getLogger(__name__)


@pytest.fixture
def lines():
    """Return the list of the lines logged, and whether a lock of ours was held."""
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append((record.getMessage(), deferral.is_busy()))

    handler = Handler()
    log.addHandler(handler)
    yield seen
    log.removeHandler(handler)


def test_line_is_logged_at_once_without_a_lock(lines):
    """A line waits for nothing where no lock is held."""
    warn(log, "now %d", 1)

    assert lines == [("now 1", False)]


def test_line_waits_for_the_last_lock(lines):
    """The outer lock's release logs it."""
    outer, inner = Section(), Section()

    def within_both():
        warn(log, "first")
        inform(log, "unseen")

    def within():
        inner.call(within_both)
        warn(log, "second")
        assert lines == []

    outer.call(within)

    assert lines == [("first", False), ("second", False)]


def test_line_of_another_thread_does_not_wait(lines):
    """Only the thread that holds the lock has to wait."""

    def warn_elsewhere():
        thread = threading.Thread(target=warn, args=(log, "elsewhere"))
        thread.start()
        thread.join()
        assert [line for line, _ in lines] == ["elsewhere"]

    Section().call(warn_elsewhere)


def test_exception_of_the_block_passes_with_its_line(lines):
    """A line logged while an exception passes keeps that exception's traceback."""
    records = []
    log.addFilter(lambda record: records.append(record) or True)

    def fail():
        try:
            raise ValueError("lost")
        except ValueError:
            warn(log, "failed", exc_info=True)

    Section().call(fail)
    log.filters.clear()

    assert str(records[0].exc_info[1]) == "lost"


@pytest.mark.parametrize("fault", [ValueError, SystemExit, GeneratorExit])
def test_handler_that_raises_affects_nothing(fault):
    """Whatever class of exception a log handler raises, after the lock or without one."""

    class Handler(logging.Handler):
        def emit(self, record):
            raise fault("from the handler")

    handler, lock = Handler(), Section()
    log.addHandler(handler)
    try:
        warn(log, "without a lock")
        lock.call(warn, log, "with one")
    finally:
        log.removeHandler(handler)

    assert not deferral.waiting


def test_handler_may_log_and_lock_again(lines):
    """A handler that logs through us while it runs neither hangs nor recurses."""
    lock = Section()

    class Handler(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "outer":
                lock.call(warn, log, "of the handler")

    handler = Handler()
    log.addHandler(handler)
    try:
        lock.call(warn, log, "outer")
    finally:
        log.removeHandler(handler)

    assert sorted(lines) == [("of the handler", False), ("outer", False)]


def test_lock_knows_its_holder():
    """Held by this thread, and held by another, are two things."""
    lock = Section()

    def ask():
        return lock.is_held(), lock.is_held_elsewhere()

    with ThreadPoolExecutor(1) as other:
        assert lock.call(lambda: (ask(), other.submit(ask).result())) == ((True, False), (False, True))
    assert ask() == (False, False)


def test_every_line_of_the_package_goes_through_the_guards():
    """No other module calls a logger: its handlers would run under a lock of ours some day."""
    package = Path(learning_instrument.__file__).parent
    calls = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("log", "logger", "logging")
        and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
    ]

    assert calls == []
