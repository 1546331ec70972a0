"""How long reports by a key of metadata take, in processor time: from the executions, and from a cube on demand."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from learning_instrument.analytics import costs, performance
from learning_instrument.maintenance import drop_index, index
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

from .answers import database_of

KEY: Final = "metadata.customer"
#: A million groups, of which 50 are shown.
UNIQUE: Final = "costs by task_id, a value for each"
ASKED: Final[dict[str, Callable[[ReadOnlyDatabase], Any]]] = {
    f"costs by {KEY}": lambda database: costs(database, by=KEY, limit=50),
    f"performance by {KEY}": lambda database: performance(database, KEY, limit=50),
    "costs by model": lambda database: costs(database, by="model", limit=50),
    UNIQUE: lambda database: costs(database, by="task_id", limit=50),
}


@dataclass(frozen=True)
class Grouped:
    """What was measured, in seconds of processor time."""

    executions: int
    #: Question -> from the executions, and from the cube of the key; None: it has none.
    seconds: dict[str, tuple[float, float | None]]
    index_seconds: float
    cells: int


def measure(executions: int) -> Grouped:
    """Measure on so many executions, in the file of the part ``answers``."""
    path = str(database_of(executions))
    before = {name: _seconds(path, ask) for name, ask in ASKED.items()}
    started = time.process_time()
    found = index(path, KEY)
    index_seconds = time.process_time() - started
    after = {name: _seconds(path, ask) if KEY in name else None for name, ask in ASKED.items()}
    drop_index(path, KEY)
    return Grouped(executions, {name: (before[name], after[name]) for name in ASKED}, index_seconds, found.cells)


def _seconds(path: str, ask: Callable[[ReadOnlyDatabase], Any]) -> float:
    """Return the least of three: other processes make some slower, and none faster."""
    measured = []
    with ReadOnlyDatabase(path) as database:
        for _ in range(3):
            started = time.process_time()
            ask(database)
            measured.append(time.process_time() - started)
    return min(measured)
