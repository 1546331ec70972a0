"""Run the pools of one library, in the environment that has it, and print what is wrong as one line of JSON."""

import faulthandler
import importlib
import json
import logging
import sys
import tempfile
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from learning_instrument import LearningDatabase
from learning_instrument.testing.adapter_check import CASES, cells

from .pool import Pool

#: Of one case. A library that hangs says where.
_LONGEST_SECONDS: Final = 180


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


def main() -> None:
    """Print ``{"pools": {pool: {case: problems}}, "extras": {name: fault or None}}``."""
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
    print(json.dumps({"pools": pools, "extras": extras}))


if __name__ == "__main__":
    main()
