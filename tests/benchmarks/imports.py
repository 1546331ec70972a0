"""How long ``import learning_instrument`` takes, beside the two imports it cannot do without."""

import statistics
import subprocess
import sys
from dataclasses import dataclass

from .processes import ROOT

YARDSTICK = "import opentelemetry.trace, wrapt"
STATEMENTS = (
    YARDSTICK,
    "import learning_instrument",
    "from learning_instrument import record_execution",
    "from learning_instrument import configure, record_execution",
)


@dataclass(frozen=True)
class ImportTime:
    """Milliseconds, and the multiple of the yardstick."""

    statement: str
    milliseconds: float
    ratio: float


def measure(rounds: int) -> list[ImportTime]:
    """Time each statement in interpreters of its own, in turn."""
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for number in range(-1, rounds):  # the first time there may be bytecode to write
        for statement, seconds in times.items():
            second = _seconds(statement)
            if number >= 0:
                seconds.append(second)
    return [
        ImportTime(statement, statistics.median(seconds) * 1e3, _ratio(seconds, times[YARDSTICK]))
        for statement, seconds in times.items()
    ]


def _ratio(these: list[float], those: list[float]) -> float:
    """Return the median of the ratios of neighbours in time."""
    return statistics.median(this / that for this, that in zip(these, those, strict=True))


def _seconds(statement: str) -> float:
    code = f"import time; started = time.perf_counter(); {statement}; print(time.perf_counter() - started)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(ran.stdout)
