"""How deep a recursive function gets, bare and recorded."""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from learning_instrument import LearningDatabase, record_execution


def depths(decorate: Callable[[Any], Any]) -> tuple[int, int]:
    """Return how deep a plain function and a coroutine function get."""
    reached = 0

    @decorate
    def dive(depth: int) -> None:
        nonlocal reached
        reached = max(reached, depth)
        dive(depth + 1)

    @decorate
    async def dive_awaiting(depth: int) -> None:
        nonlocal reached
        reached = max(reached, depth)
        await dive_awaiting(depth + 1)

    found = []
    for attempt in (lambda: dive(1), lambda: asyncio.run(dive_awaiting(1))):
        reached = 0
        for _ in range(2):  # the first call prepares
            try:
                attempt()
            except RecursionError:
                pass
        found.append(reached)
    return found[0], found[1]


def main() -> dict[str, tuple[int, int]]:
    """Print the depths, and return them: of what -> bare and recorded."""
    logging.disable()  # at the limit the last execution is lost, with a warning
    with tempfile.TemporaryDirectory() as folder, LearningDatabase(f"{folder}/learning.db", "batch") as database:
        bare, recorded = depths(lambda function: function), depths(record_execution(learning_db=database))
    print(f"Python {sys.version.split()[0]}, limit {sys.getrecursionlimit()}")
    found = dict(zip(("function", "coroutine"), zip(bare, recorded, strict=True), strict=True))
    for name, (without, with_us) in found.items():
        print(f"{name:10} bare {without:4}  recorded {with_us:4}  {with_us / without:.0%}")
    return found


if __name__ == "__main__":
    main()
