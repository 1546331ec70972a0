"""What the adapters of executors pass over: functions that libraries submit to run tasks of their own."""

import functools
import sys
from types import FrameType
from typing import Any, Final

from .called_functions import name_of

#: The modules that are remembered as runners or not.
_MODULES_LIMIT: Final = 4096
#: The code of libraries that submits functions to pools of others: modules, or the beginning of their names. What it
#: submits is passed over, for it may return where a task failed: the library's own adapter records its tasks.
RUNNERS: Final = (
    "airflow.",
    "anyio.",
    "apscheduler.",
    "arq.",
    "asgiref.",
    "celery.",
    "crewai.",
    "dagster.",
    "dask.",
    "distributed.",
    "django.",
    "django_q.",
    "django_tasks.",
    "dramatiq.",
    "dspy.",
    "fastapi.",
    "gevent.",
    "google.adk.",
    "google.cloud.pubsub_v1.",
    "grpc.",
    "huey.",
    "joblib.",
    "langchain_core.",
    "langgraph.",
    "llama_index.",
    "loky.",
    "mpire.",
    "optuna.",
    "pebble.",
    "prefect.",
    "procrastinate.",
    "pydantic_ai.",
    "pyspark.",
    "ray.",
    "rq.",
    "s3transfer.",
    "smolagents.",
    "starlette.",
    "strands.",
    "taskiq.",
    "temporalio.",
    "trio.",
    "uvicorn.",
)
#: Functions that are plumbing, regardless of the submitting code: ``module:qualified name``, or the beginning of it.
PLUMBING: Final = (
    "apscheduler.executors.",
    "asyncio.base_events:",
    "celery.app.trace:",
    "celery.concurrency.",
    "dask.local:",
    "joblib._",
    "joblib.parallel:BatchedCalls",
    "learning_instrument.",
    "loky.process_executor:",
    "opentelemetry.",
    "prefect.task_engine:",
    # What an event loop runs for each connection to a name.
    "socket:getaddrinfo",
    "socket:getnameinfo",
)
#: Tasks that ``check_adapter()`` gives to a library.
_TASKS_OF_CHECKS: Final = "learning_instrument.testing."
#: Between the code that submits a function and the pool: the pools themselves, what starts a task that submits, and
#: instrumentations that wrap pools.
_BETWEEN: Final = (
    "anyio._backends.",
    "anyio._core._eventloop.",
    "anyio.abc.",
    "asyncio.base_events.",
    "asyncio.threads.",
    "concurrent.futures.",
    "ddtrace.",
    "gevent._greenlet.",
    "gevent.greenlet.",
    "learning_instrument.",
    "multiprocessing.",
    "opentelemetry.instrumentation.",
    "sentry_sdk.",
    "trio._core.",
    "trio._util.",
    "wrapt.",
)


def is_submitted_by_a_runner() -> bool:
    """Tell whether the code that called a pool, further up this thread's stack, is that of a library in ``RUNNERS``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        is_runner = _is_runner(module) if type(module) is str else False
        if is_runner is not None:
            return is_runner
        frame = frame.f_back
    return False


@functools.lru_cache(_MODULES_LIMIT)
def _is_runner(module: str) -> bool | None:
    """Tell whether *module* is of a library in ``RUNNERS``; None: it only passes functions on."""
    name = module + "."
    return None if name.startswith(_BETWEEN) else name.startswith(RUNNERS)


def is_plumbing(function: Any) -> bool:
    """Tell whether *function* is no task of the application: of this package, OpenTelemetry, or a library's runner."""
    name = ":".join(name_of(function))
    return name.startswith(PLUMBING) and not name.startswith(_TASKS_OF_CHECKS)
