"""Run the pools of one library, in the environment that has it, and print what is wrong as one line of JSON."""

import faulthandler
import importlib
import json
import logging
import sys
import tempfile
import time
import traceback
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final

from learning_instrument import LearningDatabase
from learning_instrument.testing.adapter_check import CASES, cells, instrumented, succeed, succeed_async

from .pool import Pool

#: Of one case. A library that hangs says where.
_LONGEST_SECONDS: Final = 180
#: To measure what an adapter adds.
_TASKS: Final = 500
_TURNS: Final = 5


def found(pool: Pool) -> dict[str, Any]:
    """Return case -> what is wrong with it, for the cases that *pool* has."""
    wrong: dict[str, Any] = {}
    options = {key: getattr(pool, key) for key in ("retried", "is_async", "queued", "task_type", "without", "wrapped")}
    for name in CASES:
        faulthandler.dump_traceback_later(_LONGEST_SECONDS, exit=True)
        try:
            wrong |= {cell.case: cell.problems for cell in cells(pool.adapter, pool.run, cases=[name], **options)}
        except Exception:
            wrong[name] = [traceback.format_exc()]
    return wrong


def added(pool: Pool) -> dict[str, float] | None:
    """Return the seconds of one task without the adapter and with it: the best of some turns of many tasks each."""
    if pool.run_all is None:
        return None
    function = (succeed, succeed_async)[pool.is_async]
    tasks = [{"description": "Count the order", "number": number} for number in range(_TASKS)]
    best = {"without": float("inf"), "with": float("inf")}
    with tempfile.TemporaryDirectory() as folder, closing(LearningDatabase(Path(folder, "cost.db"))) as database:
        for turn in range(2 * _TURNS + 2):
            name = ("without", "with")[turn % 2]
            with instrumented([pool.adapter], database) if turn % 2 else nullcontext():
                started = time.perf_counter()
                pool.run_all(function, tasks)
                seconds = (time.perf_counter() - started) / _TASKS
            if turn > 1:  # the first of each only warms up
                best[name] = min(best[name], seconds)
    return best


def main() -> None:
    """Print pool -> case -> problems, the name of an extra -> its fault or None, and pool -> seconds of a task."""
    library = importlib.import_module(f"tests.pools.libraries.{sys.argv[1]}")
    logging.basicConfig(level=logging.WARNING)
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    pools = {pool.name: found(pool) for pool in library.POOLS if only in pool.name}
    extras: dict[str, str | None] = {}
    for extra in getattr(library, "EXTRAS", ()):
        with tempfile.TemporaryDirectory() as folder, closing(LearningDatabase(Path(folder, "extra.db"))) as database:
            try:
                extra(database)
                extras[extra.__name__] = None
            except Exception:
                extras[extra.__name__] = traceback.format_exc()
    costs = {pool.name: added(pool) for pool in library.POOLS if only in pool.name}
    print(json.dumps({"pools": pools, "extras": extras, "costs": costs}))


if __name__ == "__main__":
    main()
