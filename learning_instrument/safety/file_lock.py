"""Locks a file or a folder among processes, as long as it is open."""

try:
    import fcntl
except ImportError:  # Windows, where open files cannot be deleted
    fcntl = None  # type: ignore[assignment]


def lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; tell whether no other process has locked it.

    Raises:
        OSError: on a file system without locks.
    """
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
