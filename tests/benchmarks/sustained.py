"""Executions without a pause in ``batch``: whether all arrive, at what rate, and whether memory stays flat.

Run as a module it measures, in a process of its own, and prints the figures as JSON.
"""

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .processes import run_module
from .spans import provider_of
from .workload import DiscardingExporter, pool_of, tasks

_SLICE = 1000


@dataclass(frozen=True)
class Endurance:
    """How a long run went."""

    executions: int
    rows: int
    lost: int
    seconds: float
    #: The peaks of resident memory, in MB, after a tenth of the executions and after all of them.
    early_peak_mb: float
    peak_mb: float

    @property
    def rows_per_second(self) -> float:
        """The rate at which rows were committed."""
        return self.rows / self.seconds

    @property
    def growth(self) -> float:
        """The last peak as a multiple of the early one."""
        return self.peak_mb / self.early_peak_mb


def measure(executions: int) -> Endurance:
    """Measure a run of so many executions, in another process."""
    return Endurance(**run_module(sys.executable, f"{__package__}.sustained", str(executions)))


def run(executions: int) -> Endurance:
    """Measure a run of so many executions, here."""
    from learning_instrument import configure, record_execution, shutdown

    with tempfile.TemporaryDirectory() as folder:
        provider = provider_of(DiscardingExporter())
        database = configure(Path(folder, "sustained.db"), durability="batch", tracer_provider=provider)
        pool = pool_of(record_execution)
        early_peak_mb = 0.0
        started = time.perf_counter()
        for start in range(0, executions, _SLICE):
            for task in tasks(_SLICE, start):
                pool.execute_task(task)
            if start + _SLICE == executions // 10:
                database.flush(60)
                early_peak_mb = _peak_mb()
        database.flush(60)
        seconds = time.perf_counter() - started
        peak_mb = _peak_mb()
        rows = database.query("SELECT count(*) AS rows FROM executions")[0]["rows"]
        lost = sum(database.statistics().lost.values())
        shutdown()
    return Endurance(executions, rows, lost, seconds, early_peak_mb, peak_mb)


def _peak_mb() -> float:
    """Return the peak of this program's resident memory; ``ru_maxrss`` would count what it was forked from too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("This system does not tell the peak of a process's memory.")


if __name__ == "__main__":
    print(json.dumps(asdict(run(int(sys.argv[1])))))
