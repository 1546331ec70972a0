"""The path of the database. Light: the command needs it for every subcommand."""

import os
from typing import Final

DEFAULT_PATH: Final = "learning.db"


def default_path() -> str:
    """Return ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``."""
    return os.environ.get("LEARNING_INSTRUMENT_DATABASE") or DEFAULT_PATH


def absolute(path: str | bytes | os.PathLike[str]) -> str:
    """Return the absolute path, with ``~`` expanded: a change of the working directory does not matter.

    Raises:
        TypeError: if *path* is no path.
    """
    return os.path.abspath(os.path.expanduser(os.fsdecode(path)))
