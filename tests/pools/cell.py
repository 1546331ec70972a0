"""Run the pools of one library, in the environment that has it, and print what was found as one line of JSON.

python -m tests.pools.cell LIBRARY [POOL]           what is wrong
python -m tests.pools.cell LIBRARY [POOL] --costs   what the adapter adds
"""

import argparse
import faulthandler
import importlib
import json
import logging
import tempfile
import time
import traceback
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final

from learning_instrument import LearningDatabase
from learning_instrument.testing.adapter_check import cells, instrumented, succeed, succeed_async
from tests.pools.pool import Pool, Run

#: Of one task. A library that hangs says where.
_LONGEST_SECONDS: Final = 180
#: To measure what an adapter adds.
_TURNS: Final = 5


def _watched(run: Run) -> Run:
    def watched(function: Any, task: Any) -> Any:
        faulthandler.dump_traceback_later(_LONGEST_SECONDS, exit=True)
        try:
            return run(function, task)
        finally:
            faulthandler.cancel_dump_traceback_later()

    return watched


def found(pool: Pool) -> dict[str, Any]:
    """Return case -> what is wrong with it, for the cases that *pool* has."""
    options = {key: getattr(pool, key) for key in ("is_async", "queued", "task_type", "without", "wrapped")}
    options["retried"] = pool.retried and _watched(pool.retried)
    try:
        return {cell.case: cell.problems for cell in cells(pool.adapter, _watched(pool.run), **options)}
    except Exception:
        return {"succeeded": [traceback.format_exc()]}


def added(pool: Pool) -> dict[str, float] | None:
    """Return the seconds of one task without the adapter and with it: the best of some turns of many tasks each."""
    if pool.run_all is None:
        return None
    function = (succeed, succeed_async)[pool.is_async]
    tasks = [{"description": "Count the order", "number": number} for number in range(pool.tasks)]
    best = {"without": float("inf"), "with": float("inf")}
    with tempfile.TemporaryDirectory() as folder, closing(LearningDatabase(Path(folder, "cost.db"))) as database:
        for turn in range(2 * _TURNS + 2):
            name = ("without", "with")[turn % 2]
            with instrumented([pool.adapter], database) if turn % 2 else nullcontext():
                started = time.perf_counter()
                pool.run_all(function, tasks)
                seconds = (time.perf_counter() - started) / pool.tasks
            if turn > 1:  # the first of each only warms up
                best[name] = min(best[name], seconds)
    return best


def main() -> None:
    """Print pool -> case -> problems and the name of an extra -> its fault or None, or pool -> seconds of a task."""
    parser = argparse.ArgumentParser(prog="python -m tests.pools.cell")
    parser.add_argument("library")
    parser.add_argument("pool", nargs="?", default="", help="those whose name has this text (default: all)")
    parser.add_argument("--costs", action="store_true", help="measure what the adapter adds, and check nothing")
    options = parser.parse_args()
    library = importlib.import_module(f"tests.pools.libraries.{options.library}")
    logging.basicConfig(level=logging.WARNING)
    pools = [pool for pool in library.POOLS if options.pool in pool.name]
    if options.costs:
        print(json.dumps({"costs": {pool.name: added(pool) for pool in pools}}))
        return
    wrong = {pool.name: found(pool) for pool in pools}
    extras: dict[str, str | None] = {}
    for extra in getattr(library, "EXTRAS", ()):
        with tempfile.TemporaryDirectory() as folder, closing(LearningDatabase(Path(folder, "extra.db"))) as database:
            try:
                extra(database)
                extras[extra.__name__] = None
            except Exception:
                extras[extra.__name__] = traceback.format_exc()
    adapters = {pool.name: pool.adapter for pool in pools}
    print(json.dumps({"pools": wrong, "adapters": adapters, "extras": extras}))


if __name__ == "__main__":
    main()
