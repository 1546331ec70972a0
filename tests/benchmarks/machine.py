"""The machine of a measurement: what it is, the versions installed, and how busy it was meanwhile."""

import os
import platform
import sqlite3
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

_STAT: Final = Path("/proc/stat")
#: Distributions whose versions decide the figures.
_NAMED: Final = (
    "learning", "opentelemetry", "wrapt", "sqlite-utils", "duckdb", "drain3",
    "langfuse", "logfire", "mlflow", "openinference",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python, SQLite and the distributions that take part."""
    found = {each.name: each.version for each in distributions() if each.name.startswith(_NAMED)}
    return {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, **dict(sorted(found.items()))}


def description() -> dict[str, Any]:
    """Return the system, the processor and the number of its cores."""
    return {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count(), "python": sys.version}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


@dataclass(frozen=True)
class Busyness:
    """How busy the machine was; shares are of the time of all its cores, None where the system does not say them."""

    load: tuple[float, float, float]
    own: float
    others: float | None

    def __str__(self) -> str:
        others = "unknown" if self.others is None else f"{self.others:.0%}"
        return (
            f"load {', '.join(f'{load:.1f}' for load in self.load)}; of the time of {os.cpu_count()} cores"
            f" this program took {self.own:.0%}, other processes {others}"
        )


class Watch:
    """Watches how busy the machine is, from now on."""

    def __init__(self) -> None:
        self._started, self._own, self._all = time.monotonic(), _own_seconds(), _all_seconds()

    def read(self) -> Busyness:
        """Return how busy it was since."""
        capacity = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        own = _own_seconds() - self._own
        everything = _all_seconds()
        others = None if everything is None or self._all is None else max(0.0, everything - self._all - own) / capacity
        return Busyness(os.getloadavg(), own / capacity, others)


def _own_seconds() -> float:
    """Return the processor time of this process, and of those it started that have ended."""
    return sum(os.times()[:4])


def _all_seconds() -> float | None:
    """Return the time that all cores were not idle, that taken by other virtual machines included."""
    if not _STAT.exists():
        return None
    user, nice, system, _, _, *rest = (int(field) for field in _STAT.read_text().split("\n")[0].split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")
