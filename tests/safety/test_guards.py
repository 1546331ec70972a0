"""Signal handlers and other threads that raise while a guard of ours runs."""

import ctypes
import functools
import logging
import signal
import sys
import threading

import pytest
from interrupting import called_with_a_signal_at, files

from learning_instrument import record_execution
from learning_instrument.database import store_of
from learning_instrument.safety.guards import guarded, is_interruption, warn


class Stop(BaseException):
    """An exception thrown in by another thread or a signal handler."""


class Handlers:
    def method(self, number, frame):
        raise self.error

    def __call__(self, number, frame):
        raise self.error

    def __init__(self, error):
        self.error = error


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def plain(error, number, frame):
    raise error


def gives_way(error, number, frame):
    signal.signal(number, signal.SIG_DFL)
    sys.exit(error)


HANDLERS = {
    "function": lambda error: lambda number, frame: plain(error, number, frame),
    "takes anything": lambda error: lambda *_: plain(error, *_),
    "method": lambda error: Handlers(error).method,
    "object": Handlers,
    "partial": lambda error: functools.partial(plain, error),
    "decorated": lambda error: decorated(Handlers(error).method),
    "gives way to the default": lambda error: functools.partial(gives_way, error),
}


class Interrupted:
    """A task or result whose fields raise the signal while they are read."""

    prompt = cost = property(lambda self: signal.raise_signal(signal.SIGINT))


@pytest.fixture
def handle():
    before = signal.getsignal(signal.SIGINT)
    yield functools.partial(signal.signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("make", HANDLERS.values(), ids=HANDLERS)
def test_handler_of_a_signal_ends_the_task(configured, handle, make):
    """For any handler: ``SystemExit`` passes, although it is raised within a property of the task."""
    handle(make(SystemExit(6)))

    @record_execution
    def execute_task(task):
        return {"success": True}

    with pytest.raises(SystemExit):
        execute_task(Interrupted())


@pytest.mark.parametrize("error", [TimeoutError("alarm"), Stop()])
def test_handler_may_raise_anything(configured, handle, error):
    """Also an error, as a time limit by ``SIGALRM`` does."""
    handle(HANDLERS["function"](error))

    @record_execution
    def execute_task(task):
        return Interrupted()

    with pytest.raises(type(error)) as caught:
        execute_task({"task_type": "slow"})

    assert caught.value is error


#: Code that runs on the task's thread and holds no lock: a lock interrupted as it is taken is not released.
FILES = files(
    "costs/model_calls.py",
    "pipeline/exporter.py",
    "pipeline/processor.py",
    "record.py",
    "recording/execution.py",
    "recording/host_spans.py",
    "recording/types.py",
    "safety/guards.py",
)


def test_time_limit_is_kept_wherever_it_comes(configured, provider, handle):
    """Also while a model call or the execution is read: guards catch faults, not time limits."""
    handle(HANDLERS["function"](TimeoutError("alarm")))

    @record_execution(tracer_provider=provider)
    def execute_task(task):
        with provider.get_tracer("library").start_as_current_span("chat") as span:
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3})

    execute_task({"task_type": "first"})

    def limited():
        execute_task({"task_type": "limited"})

    line, swallowed = 1, []
    while True:
        try:
            if not called_with_a_signal_at(line, limited, FILES):
                break
            swallowed.append(line)
        except TimeoutError:
            pass
        line += 1

    assert line > 150
    assert not swallowed


def test_time_limit_while_a_row_is_made_is_kept(database, handle):
    """It is an ``OSError``, as errors of a disk are."""
    handle(HANDLERS["function"](TimeoutError("alarm")))

    with pytest.raises(TimeoutError):
        store_of(database).append([object()], lambda record: signal.raise_signal(signal.SIGINT))


def test_exception_of_the_object_itself_is_caught(configured, handle):
    """Though a handler is installed, and even if it is not an error."""
    handle(HANDLERS["function"](SystemExit(6)))
    task = type("Task", (), {"prompt": property(lambda self: sys.exit(6)), "task_type": property(lambda self: 1 / 0)})()

    @record_execution
    def execute_task(task):
        return "done"

    assert execute_task(task) == "done"


def test_exception_thrown_in_by_another_thread_passes():
    """As time limits of threads do."""
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

    with pytest.raises(Stop):
        guarded(throw, ctypes.c_ulong(threading.get_ident()), ctypes.py_object(Stop))


@pytest.mark.parametrize("failing", [lambda: int("x"), lambda: {}["x"], lambda: sys.exit(1)])
def test_failure_of_guarded_code_is_not_an_interruption(failing):
    """Also where Python itself raises it."""
    with pytest.raises((ValueError, KeyError, SystemExit)) as caught:
        failing()

    assert not is_interruption(caught.value)


def test_exception_without_a_traceback_is_judged_by_its_class():
    """No code raised it."""
    assert is_interruption(KeyboardInterrupt())
    assert is_interruption(SystemExit())
    assert not is_interruption(ValueError())


def test_warning_has_the_logger_of_its_caller(caplog):
    """So that one module of ours can be silenced."""
    warn(logging.getLogger("learning_instrument.some.module"), "Hook %r failed.", "h", exc_info=True)

    (record,) = caplog.records
    assert (record.name, record.getMessage()) == ("learning_instrument.some.module", "Hook 'h' failed.")


def test_log_handler_that_fails_does_not_affect_the_task():
    """For any exception of its own."""

    class Handler(logging.Handler):
        def emit(self, record):
            raise SystemExit(3)

    log = logging.Logger("learning_instrument.some.module")
    log.addHandler(Handler())

    warn(log, "A warning.")
