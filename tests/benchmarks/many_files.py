"""Import of many files beside one file with the same executions, and by several processes beside one."""

import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from learning_instrument import LearningDatabase
from learning_instrument.transfer import import_executions, importing, parallel, sources

from .transfer import _records

_FILES = 200


@dataclass(frozen=True)
class Import:
    """How long an import took: in all, and of the processor by the process that writes and by those that read."""

    name: str
    seconds: float
    writer: float
    readers: float


def measure(rows: int) -> list[Import]:
    """Measure imports of as many executions, each once: one file, then many; by one process, then by several.

    The time is that until the last batch is stored: roll-ups take the same time after each.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, many = [folder / "one.db"], [folder / "fleet" / f"{number:03}.db" for number in range(_FILES)]
        records = list(_records(rows // _FILES * _FILES))
        _write(one[0], records)
        for number, file in enumerate(many):
            _write(file, records[number::_FILES])
        count = max(2, parallel.processes_for([sources.Part(str(file)) for file in one * 2]))
        found = []
        for what, files in (("one file", one), (f"{_FILES} files", many)):
            for processes in (0, count):
                readers = f"{count} processes read" if processes else "one process does all"
                target = folder / f"target-{len(found)}.db"
                with mock.patch.object(importing, "processes_for", lambda parts, processes=processes: processes):
                    found.append(_import(f"{what}, {readers}", target, files, len(records)))
        found.append(_import(f"{_FILES} files, again", target, many, 0))
    return found


def _import(name: str, target: Path, files: Iterable[Path], stored: int) -> Import:
    start, before = time.perf_counter(), os.times()
    last, own = start, 0.0

    def tell(what: str, done: int, of: int) -> None:
        nonlocal last, own
        if what.endswith(".db"):
            now = os.times()
            last, own = time.perf_counter(), now.user + now.system - before.user - before.system

    answer = import_executions(target, files, progress=tell)
    if answer.stored != stored or answer.conflicts or answer.unread:
        raise RuntimeError(f"Not {stored:,} executions were stored: {answer}")
    after = os.times()
    readers = after.children_user + after.children_system - before.children_user - before.children_system
    return Import(name, last - start, own, readers)


def _write(path: Path, records: list) -> None:
    with LearningDatabase(path) as database:
        for start in range(0, len(records), 1000):
            database.append(records[start : start + 1000])
