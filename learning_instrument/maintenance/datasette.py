"""Shows a database in Datasette, with what its tables and columns mean, and without its private tables."""

import importlib.util
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NoReturn

from ..errors import ConfigurationError
from ..rollups import search_index
from ..sqlite.descriptions import COLUMNS, PRIVATE, TABLES
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase

#: Only this machine.
_HOST: Final = "127.0.0.1"
#: Datasette, without a traceback after Ctrl-C.
_PROGRAM: Final = """
try:
    from datasette.cli import cli
    cli(prog_name="datasette")
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the metadata of the database at *path* for a Datasette of your own, as its ``metadata.json``.

    Every table, view and column is described, the private tables are hidden, and the search index is that of
    ``executions``.

    Raises:
        DatabaseError: if it cannot be read.
    """
    with ReadOnlyDatabase(absolute(path)) as database:
        stored = [row["name"] for row in database.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables: dict[str, dict[str, Any]] = {
        name: {"description": meaning, "columns": dict(COLUMNS[name])} for name, meaning in TABLES.items()
    }
    tables |= {name: {"hidden": True} for name in stored if name.startswith(PRIVATE)}
    tables["executions"] |= {"sort_desc": "timestamp"}
    if "execution_search" in stored:
        tables["executions"] |= {"fts_table": "execution_search", "fts_pk": "rowid"}
    description = "Executions of pools of workers and agents, recorded by learning_instrument."
    # Datasette names a database by its file.
    return {"databases": {Path(absolute(path)).stem: {"description": description, "tables": tables}}}


def unindexed(path: str | os.PathLike[str]) -> int:
    """Return about how many executions its search field does not find yet.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    with ReadOnlyDatabase(absolute(path)) as database:
        if not database.has_table("search_state"):  # an older release wrote the file
            return 0
        return int(database.query(search_index.LAG)[0]["lag"])


def free_port(port: int) -> int:
    """Return *port*, or a free one for 0.

    Raises:
        ConfigurationError: if another program has it.
    """
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one of a Datasette that has just ended
        try:
            tried.bind((_HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} cannot be used ({error.strerror}): expected a free one; 0 takes any."
            ) from error
        return int(tried.getsockname()[1])


def address(port: int) -> str:
    """Return the URL of Datasette."""
    return f"http://{_HOST}:{port}/"


def check_installed() -> None:
    """Check that Datasette is installed.

    Raises:
        ConfigurationError: if it is not.
    """
    if importlib.util.find_spec("datasette") is None:
        raise ConfigurationError("Datasette is not installed: pip install 'learning_instrument[datasette]'.")


def become(path: str | os.PathLike[str], port: int, is_browser_opened: bool) -> NoReturn:
    """Become Datasette, for this machine alone: its signals and its exit code are its own.

    It reads the file while others write to it.
    """
    with tempfile.TemporaryFile() as described:  # on its standard input, so that no file is left behind
        described.write(json.dumps(metadata(path)).encode())
        described.seek(0)
        os.dup2(described.fileno(), 0)
    options = ["--metadata", "-", "--host", _HOST, "--port", str(port), *["--open"] * is_browser_opened]
    os.execv(sys.executable, [sys.executable, "-c", _PROGRAM, "serve", absolute(path), *options])  # noqa: S606
