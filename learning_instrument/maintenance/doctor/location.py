"""Checks of the location of the database."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ...sqlite.paths import log_of, size_of
from ...sqlite.renewal import set_aside_files
from ...storage import spill_names
from .finding import Finding, Severity

_NETWORK: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2",
        "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "vboxsf", "virtiofs",
    }
)  # fmt: skip
_LITTLE_SPACE: Final = 200_000_000
_LONG_LOG: Final = 64_000_000


def examine_location(path: str) -> Iterator[Finding]:
    """Yield findings about the location of the database: rights, file system, disk, its files."""
    folder = os.path.dirname(path)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    there_is_one = os.path.exists(path)
    if not there_is_one:
        yield Finding(
            "database",
            Severity.WARNING,
            f"There is no database {path}.",
            "Record something (learning-instrument run --pools package.module:Class app.py), or name another file"
            " (--database).",
        )
    for place in (path, folder) if there_is_one else (folder,):
        if not os.access(place, os.W_OK):
            yield Finding(
                "not writable",
                Severity.ERROR,
                f"{place} cannot be written by this user: executions stay in memory, and without a folder for"
                " spill files they are lost when the process ends.",
                f"Give the user that records the right to write {place}, or set LEARNING_INSTRUMENT_DATABASE.",
            )
    file_system = file_system_of(folder, _mounts())
    if file_system in _NETWORK:
        yield Finding(
            "network file system",
            Severity.ERROR,
            f"{folder} is on a network file system ({file_system}), on which SQLite's locks and write-ahead log do not"
            " work across machines.",
            "Put the database on a local disk, one for each machine, and bring them together with import.",
        )
    if shutil.disk_usage(folder).free < _LITTLE_SPACE:
        yield Finding(
            "disk full",
            Severity.ERROR,
            f"Less than {_LITTLE_SPACE // 10**6} MB are free in {folder}.",
            "Make room, or run learning-instrument prune, which needs none on this disk.",
        )
    if there_is_one:
        yield from _examine_log(path)
    if damaged := set_aside_files(path):
        yield Finding(
            "damaged",
            Severity.WARNING,
            f"A damaged database was set aside: {', '.join(damaged)}.",
            "learning-instrument recover brings back what can be read of it; with --delete it deletes it then.",
        )
    yield from _examine_spill_files(path)


def _examine_spill_files(path: str) -> Iterator[Finding]:
    waiting = spill_names.waiting(path)
    if waiting.files:
        yield Finding(
            "spill files",
            Severity.WARNING,
            f"{waiting.executions:,} executions wait in {waiting.files:,} spill files beside {path}: their processes"
            " ended before they could write the database.",
            "The next process of the same user that records takes them in, as learning-instrument rebuild does.",
        )
    if waiting.unreadable:
        yield Finding(
            "spill files",
            Severity.WARNING,
            f"{waiting.unreadable:,} spill files beside {path} could not be read, and were kept as *.unreadable.",
            "Look at them, one JSON object a line, then delete them; retention_days does so as well.",
        )


def _examine_log(path: str) -> Iterator[Finding]:
    size = size_of(log_of(path))
    if size > _LONG_LOG:
        yield Finding(
            "write-ahead log",
            Severity.WARNING,
            f"The write-ahead log has grown to {size / 1e6:,.0f} MB: a reader stays open, or the process"
            " that should have checkpointed it was killed.",
            "End programs that keep a query open; then learning-instrument rebuild checkpoints it.",
        )


def file_system_of(folder: str, mounts: Iterable[tuple[str, str]]) -> str | None:
    """Return the type of the file system that *folder* is on, or None where it is unknown.

    Args:
        folder: an absolute path.
        mounts: mount points and their types, the later on top.
    """
    folder = os.path.realpath(folder)
    best: tuple[int, str] | None = None
    for point, kind in mounts:
        is_within = folder == point or folder.startswith(point.rstrip("/") + "/")
        if is_within and (best is None or len(point) >= best[0]):
            best = len(point), kind
    return None if best is None else best[1]


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        return []
    fields = (line.split(" ") for line in lines)
    return [(field[1].replace("\\040", " "), field[2]) for field in fields if len(field) > 2]
