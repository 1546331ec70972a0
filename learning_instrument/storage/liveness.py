"""Identifies processes, and tells whether one has died.

A process id alone is not enough: it is reused, and differs between hosts, containers and boots. On Linux the boot,
the pid namespace and the start time of the process identify it.
"""

import os
import platform
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from ..ids import random_bits
from ..timestamps import from_iso

_UNKNOWN: Final = "-"
#: A process that cannot be reached or identified counts as dead after so many seconds without a heartbeat.
SILENCE_SECONDS: Final = 3600.0
#: The states of a process that has ended and was not waited for.
_DEAD: Final = ("Z", "X")
_CAN_ASK: Final = os.name == "posix"  # on Windows os.kill(pid, 0) would end the process


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host. Its *identity* distinguishes it from others with the same id."""

    process_id: int
    host: str
    identity: str


@dataclass(frozen=True, slots=True)
class _Identity:
    """Where and when a process began; *token* distinguishes the programs that one process runs by ``exec``."""

    boot: str
    namespace: str
    start: str
    token: str

    def __str__(self) -> str:
        return f"{self.boot} {self.namespace} {self.start} {self.token}"


class _This:
    """This process, identified once; a forked child is another."""

    known: Process | None = None


def this_process() -> Process:
    """Return the process that this code runs in."""
    if _This.known is None or _This.known.process_id != os.getpid():
        process_id = os.getpid()
        _, start = _state_and_start(process_id) if _proc_is_ours() else ("", _UNKNOWN)
        identity = _Identity(_boot(), _namespace(), start, f"{random_bits(64):016x}")
        _This.known = Process(process_id, platform.node() or _UNKNOWN, str(identity))
    return _This.known


def last_seen(process_id: Any, host: Any, identity: Any, heartbeat: Any) -> tuple[Process, float] | None:
    """Return the process of an entry of the crash ledger, and the time of its heartbeat in seconds of Unix time.

    None for an entry that holds something else, as in a damaged file.
    """
    if type(process_id) is not int or type(host) is not str or type(identity) is not str:
        return None
    try:
        return Process(process_id, host, identity), from_iso(heartbeat).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def has_died(process: Process, silent_seconds: float) -> bool:
    """Tell whether *process* has ended, as far as this host can know. A stopped one has not.

    Args:
        process: the result of :func:`this_process` in that process.
        silent_seconds: the age of its last heartbeat.
    """
    ours = this_process()
    here, there = _identity_of(ours), _identity_of(process)
    if there.boot != here.boot and process.host == ours.host:
        return _UNKNOWN not in (there.boot, here.boot) and silent_seconds > _seconds_since_boot()
    if (there.boot, there.namespace) != (here.boot, here.namespace) or not _CAN_ASK:
        return silent_seconds > SILENCE_SECONDS
    if here.boot == _UNKNOWN and process.host != ours.host:
        return silent_seconds > SILENCE_SECONDS
    if process.process_id == ours.process_id:
        return there.token != here.token
    try:
        os.kill(process.process_id, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # it exists, and belongs to another user
    state, start = _state_and_start(process.process_id)
    if _UNKNOWN in (start, there.start):
        return silent_seconds > SILENCE_SECONDS  # another process may have its id now
    return start != there.start or state in _DEAD


def _identity_of(process: Process) -> _Identity:
    parts = process.identity.split()
    return _Identity(*parts) if len(parts) == 4 else _Identity(*[_UNKNOWN] * 4)


def _state_and_start(process_id: int) -> tuple[str, str]:
    """Return the state of a process, and its start in clock ticks since the boot."""
    # The name of the program, in parentheses, may contain spaces and parentheses.
    fields = _read(f"/proc/{process_id}/stat").rpartition(")")[2].split()
    if len(fields) <= 19:
        return "", _UNKNOWN
    state, threads, start = fields[0], fields[17], fields[19]
    # The main thread can end first: the process lives as long as any of its threads.
    return ("" if int(threads) > 1 else state), start


def _proc_is_ours() -> bool:
    """Tell whether ``/proc`` shows the process ids of this namespace."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip() or _UNKNOWN


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return _UNKNOWN


def _seconds_since_boot() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return float("inf")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
