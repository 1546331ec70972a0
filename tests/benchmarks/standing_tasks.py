"""How long an event loop stands still while thousands of tasks start, bare and recorded.

Run as a module it measures once, and prints the longest stall in seconds of wall and of processor time.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from learning_instrument import LearningDatabase, record_execution

_TASKS = 20_000
_ROUNDS = 5


async def longest_stall(decorate: Callable[[Any], Any]) -> tuple[float, float]:
    """Start the tasks at once; each then waits. Return the longest turn of the loop."""

    @decorate
    async def execute_task(task: dict[str, str]) -> None:
        await asyncio.sleep(3)

    stalls = []

    async def beat() -> None:
        while True:
            wall, processor = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            stalls.append((time.perf_counter() - wall, time.thread_time() - processor))

    beating = asyncio.create_task(beat())
    await asyncio.gather(*[execute_task({"task_id": str(n)}) for n in range(_TASKS)])
    beating.cancel()
    return max(stalls)


def measure(how: str) -> None:
    """Print the stall of tasks that are *bare*, or recorded with a durability."""
    if how == "bare":
        found = asyncio.run(longest_stall(lambda function: function))
    else:
        with tempfile.TemporaryDirectory() as folder, LearningDatabase(f"{folder}/learning.db", how) as database:
            found = asyncio.run(longest_stall(record_execution(learning_db=database)))
    print(*found)


def main() -> dict[str, list[list[float]]]:
    """Print the medians of some rounds, in a process each, in turn; return wall and processor seconds of each."""
    found: dict[str, list[list[float]]] = {"bare": [], "batch": []}
    for _ in range(_ROUNDS):
        for how, stalls in found.items():
            command = [sys.executable, "-m", __name__, how]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            stalls.append([float(value) for value in output.split()])
    for how, stalls in found.items():
        wall, processor = (statistics.median(values) for values in zip(*stalls, strict=True))
        stall = f"{wall:.2f} s, of processor time {processor:.2f} s"
        print(f"{_TASKS:,} tasks start, {how:5}: the loop stands still for {stall}")
    return found


if __name__ == "__main__":
    measure(sys.argv[1])
