"""How a task gets into joblib: as an item of ``Parallel``."""

import functools
import os
from typing import Any, Final

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from ..pool import Pool

#: The database of loky's workers.
_recorded_into = ""


def _worked(backend: str, jobs: int, function: Any, tasks: Any) -> Any:
    global _recorded_into
    database = os.environ.get("LEARNING_INSTRUMENT_DATABASE", _recorded_into)
    if backend == "loky" and jobs > 1 and database != _recorded_into:
        get_reusable_executor().shutdown()
        _recorded_into = database
    return Parallel(jobs, backend=backend)(delayed(function)(task) for task in tasks)


def _on(name: str, backend: str, jobs: int = 2) -> Pool:
    def run(function: Any, task: Any) -> Any:
        return _worked(backend, jobs, function, [task])

    return Pool(f"joblib, {name}", "joblib", run, run_all=functools.partial(_worked, backend, jobs))


POOLS: Final = (
    _on("loky", "loky"),
    _on("threading", "threading"),
    _on("multiprocessing", "multiprocessing"),
    _on("sequential", "loky", jobs=1),
)
