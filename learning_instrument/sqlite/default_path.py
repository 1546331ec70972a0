"""The path of the database where none is given. Light: the command reads it for every subcommand."""

import os
from typing import Final

DEFAULT_PATH: Final = "learning.db"


def default_path() -> str:
    """Return ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``."""
    return os.environ.get("LEARNING_INSTRUMENT_DATABASE") or DEFAULT_PATH
