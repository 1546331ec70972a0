"""How a task gets into celery: a real redis-server, and a worker that forks, started from a shell."""

import os
import sys
from typing import Any, Final

from ..pool import Pool, in_turn
from ..servers import Worker, redis_url

os.environ["TESTS_POOLS_REDIS"] = redis_url()

from ..celery_worker import TASKS  # it reads the variable

_MODULE: Final = "tests.pools.celery_worker"
_COMMAND: Final = (sys.executable, "-m", "celery", "-A", _MODULE, "worker", "--concurrency=1", "--loglevel=CRITICAL")
_QUICKLY: Final = ("--without-mingle", "--without-gossip", "--without-heartbeat")
#: Whether it records -> the worker, which has a queue of its own.
_WORKERS: Final = {
    True: Worker(*_COMMAND, *_QUICKLY, "--queues=recorded", "--hostname=recorded"),
    False: Worker(*_COMMAND, *_QUICKLY, "--queues=bare", "--hostname=bare"),
}


def _run_all(function: Any, tasks: Any) -> list[Any]:
    records = "LEARNING_INSTRUMENT_POOLS" in os.environ
    _WORKERS[records].start(TESTS_POOLS_WORKER=_MODULE)
    queue = "recorded" if records else "bare"
    sent = [TASKS[function.__name__].apply_async((task,), queue=queue) for task in tasks]
    return [each.get(timeout=60, interval=0.02) for each in sent]


def _run(function: Any, task: Any) -> Any:
    return _run_all(function, [task])[0]


def _at_once(function: Any, task: Any) -> Any:
    return TASKS[function.__name__].apply((task,)).get()


def _name(function: Any) -> str:
    return f"orders.{function.__name__}"


POOLS: Final = (
    Pool("celery, prefork", "celery", _run, _run, task_type=_name, run_all=_run_all),
    Pool(
        "celery, at once",
        "celery",
        _at_once,
        _at_once,
        task_type=_name,
        queued=False,
        run_all=in_turn(_at_once),
    ),
)
