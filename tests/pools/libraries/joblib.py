"""How a task gets into joblib: as an item of ``Parallel``."""

from typing import Any, Final

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from ..pool import Pool, Run


def _on(backend: str, jobs: int = 2) -> Run:
    def run(function: Any, task: Any) -> Any:
        try:
            return Parallel(jobs, backend=backend)([delayed(function)(task)])
        finally:
            if backend == "loky" and jobs > 1:
                get_reusable_executor().shutdown()  # each case has a database of its own

    return run


POOLS: Final = (
    Pool("joblib, loky", "joblib", _on("loky")),
    Pool("joblib, threading", "joblib", _on("threading")),
    Pool("joblib, multiprocessing", "joblib", _on("multiprocessing")),
    Pool("joblib, sequential", "joblib", _on("loky", jobs=1)),
)
