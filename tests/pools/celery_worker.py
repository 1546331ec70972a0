"""Tasks of celery, and the application of its workers: ``celery -A tests.pools.celery_worker worker``."""

import os
from typing import Any, Final

from celery import Celery

from learning_instrument import PoolInstrumentor
from learning_instrument.testing.adapter_check import CASES

if os.environ.get("LEARNING_INSTRUMENT_POOLS") and __name__ == os.environ.get("TESTS_POOLS_WORKER"):
    PoolInstrumentor().instrument(targets="celery", database=os.environ["LEARNING_INSTRUMENT_DATABASE"])

app: Final = Celery("orders", broker=os.environ["TESTS_POOLS_REDIS"], backend=os.environ["TESTS_POOLS_REDIS"])
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False, result_expires=60)


def _registered(function: Any) -> Any:
    options: dict[str, Any] = {}
    if function.__name__ == "fail_once":
        options = {"autoretry_for": (ValueError,), "max_retries": 1, "default_retry_delay": 0.05}
    return app.task(name=f"orders.{function.__name__}", **options)(function)


TASKS: Final = {case.functions[0].__name__: _registered(case.functions[0]) for case in CASES.values()}
