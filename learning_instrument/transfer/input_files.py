"""Finds the files of an import: paths, patterns, and in which order they are read."""

import glob
import os
from collections.abc import Iterable
from typing import Final

from ..errors import ConfigurationError

STDIN: Final = "-"
#: Files that SQLite keeps beside a database.
_BESIDE: Final = ("-wal", "-shm", "-journal")


def input_files(files: Iterable[str | os.PathLike[str]], target: str) -> tuple[list[str], list[str]]:
    """Return the files, each once and sorted, and the patterns without one.

    The order in which they are given does not matter: where two differ over an execution, the first by name is kept.

    Args:
        files: paths, and patterns such as ``fleet/*.db``, also ``fleet/**/*.db``; ``-`` is the standard input.
        target: the database that they go into. A pattern does not mean it.

    Raises:
        ConfigurationError: if *files* is no list, or names the target.
    """
    if isinstance(files, str | bytes | os.PathLike) or not isinstance(files, Iterable):
        raise ConfigurationError(f"Invalid files {files!r}: expected a list of paths.")
    own = os.path.realpath(target)
    found: dict[str, str] = {}
    unmatched = []
    for name in sorted({os.path.expanduser(os.fsdecode(file)) for file in files}):
        if name == STDIN:
            found[name] = name
        elif glob.has_magic(name) and not os.path.lexists(name):
            matches = [match for match in sorted(glob.glob(name, recursive=True)) if _is_input(match)]
            others = {os.path.realpath(match): match for match in reversed(matches)}
            others.pop(own, None)
            found = others | found
            if not matches:
                unmatched.append(name)
        elif (path := os.path.realpath(name)) == own:
            raise ConfigurationError(f"Cannot import {target} into itself: name another file or another database.")
        else:
            found.setdefault(path, name)
    return sorted(found.values()), unmatched


def _is_input(path: str) -> bool:
    """Tell whether a pattern means *path*: no folder, and no file that belongs to another."""
    owner = next((path.removesuffix(end) for end in _BESIDE if path.endswith(end)), None)
    return not os.path.isdir(path) and (owner is None or not os.path.exists(owner))
