"""How a task gets into dramatiq: a real redis-server, and a worker's threads."""

import functools
from typing import Any, Final

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends.redis import RedisBackend

from ..pool import Pool
from ..servers import redis_url


def _all_worked(function: Any, tasks: Any, retries: int) -> list[Any]:
    broker = RedisBroker(url=redis_url())
    broker.add_middleware(Results(backend=RedisBackend(url=redis_url()), store_results=True))
    actor = dramatiq.actor(
        function, broker=broker, actor_name=function.__name__, max_retries=retries, min_backoff=50, max_backoff=100
    )
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    messages = [actor.send(task) for task in tasks]
    worker.start()
    try:
        backend = broker.get_results_backend()
        return [message.get_result(backend=backend, block=True, timeout=20_000) for message in messages]
    except ResultFailure as failure:
        raise RuntimeError(str(failure)) from failure
    finally:
        worker.stop()
        broker.close()


def _worked(function: Any, task: Any, retries: int) -> Any:
    return _all_worked(function, [task], retries)[0]


_run: Final = functools.partial(_worked, retries=0)
_retried: Final = functools.partial(_worked, retries=1)

POOLS: Final = (Pool("dramatiq", "dramatiq", _run, _retried, run_all=functools.partial(_all_worked, retries=0)),)
