"""The path of the database. Light: the command needs it for every subcommand."""

import os
import re
from typing import Any, Final
from urllib.parse import quote

from ..errors import ConfigurationError

DEFAULT_PATH: Final = "learning.db"

#: The URL of SQLAlchemy and others: a relative path after three slashes, an absolute one after four.
_SQLITE_URL: Final = "sqlite:///"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def default_path() -> str:
    """Return ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``."""
    return os.environ.get("LEARNING_INSTRUMENT_DATABASE") or DEFAULT_PATH


def absolute(path: Any) -> str:
    """Return the absolute path of a database, with ``~`` expanded: a change of the working directory does not matter.

    Args:
        path: a ``str``, ``bytes`` or path-like object, or a URL such as ``sqlite:///learning.db``.

    Raises:
        ConfigurationError: if it cannot be the path of a file.
    """
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise ConfigurationError(f"Invalid database_path {path!r}: expected the path of a file.") from error
    text = text.removeprefix(_SQLITE_URL)
    if _URL.match(text):  # which may have a password
        raise ConfigurationError(
            "Invalid database_path: expected the path of a file, such as 'learning.db', and no URL."
        )
    if not text or text.startswith(":memory:") or "\0" in text:
        raise ConfigurationError(f"Invalid database_path {path!r}: expected the path of a file, such as 'learning.db'.")
    try:
        found = os.path.abspath(os.path.expanduser(text))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"Invalid database_path {text!r}: the working directory was deleted; expected an absolute path."
        ) from error
    # POSIX keeps two slashes at the start. In the URI of a file they would begin the name of a host.
    return f"/{found.lstrip('/')}" if found.startswith("//") else found


def log_of(path: str) -> str:
    """Return the path of the write-ahead log, which SQLite keeps beside the file itself, not beside a link to it."""
    return f"{os.path.realpath(path)}-wal"


def size_of(file: str) -> int:
    """Return the size of *file* in bytes; 0 where there is none. Another process may delete a log at any moment."""
    try:
        return os.path.getsize(file)
    except OSError:
        return 0


def index_of(path: str) -> str:
    """Return the path of the index of the write-ahead log."""
    return f"{os.path.realpath(path)}-shm"


def uri(path: str, options: str) -> str:
    """Return the URI by which SQLite opens the file at the absolute *path*, with *options* such as ``mode=ro``."""
    return f"file:{quote(os.fsencode(path))}?{options}"
