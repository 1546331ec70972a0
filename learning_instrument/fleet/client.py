"""A connection to ClickHouse, whose errors are one line each with the remedy."""

import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Final

from ..errors import ConfigurationError, DatabaseError
from .address import Address

Parameters = Mapping[str, Any]
"""The values of a statement's parameters, which it has as ``{name:Type}``."""

#: How questions are understood: as SQLite does.
_SETTINGS: Final = {
    "join_use_nulls": 1,
    "aggregate_functions_null_for_empty": 1,
    "prefer_column_name_to_alias": 1,
    "union_default_mode": "DISTINCT",
    "least_greatest_legacy_null_behavior": 1,
    # All versions of an execution have one timestamp, and so are in one partition.
    "do_not_merge_across_partitions_select_final": 1,
}
OLDEST_SERVER: Final = (25, 8)
_NATIVE_PORTS: Final = (9000, 9440)
#: How long a connection may take, the first answer, for which a service may have to start, and each of the next ones.
_CONNECT_SECONDS: Final = 10
_FIRST_ANSWER_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 300

#: ClickHouse's codes of errors.
_NO_DATABASE: Final = 81
_NO_TABLE: Final = 60
_NO_RIGHTS: Final = 497
_READ_ONLY: Final = 164
_WRONG_PASSWORD: Final = (192, 193, 194, 516)
#: Of rows, bytes, time or memory.
_LIMITS: Final = (158, 159, 160, 191, 241, 307, 396)
#: The driver logs what it raises. Where an application shows no logs, Python would print that.
_UNSEEN: Final = logging.NullHandler()
_NOISE: Final = re.compile(r"^Received ClickHouse exception, code: \d+, server response: ")
_LONGEST_FAULT: Final = 300


class Client:
    """A connection, for any thread. Opened by :func:`connect`."""

    def __init__(self, address: Address, connection: Any) -> None:
        self.address = address
        self._connection = connection
        self._lock = threading.Lock()

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query, as dictionaries.

        Raises:
            DatabaseError: if it cannot be answered.
        """
        names, rows = self._run("query", sql, parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def now(self) -> int:
        """Return the time of the server, in microseconds since the epoch.

        Raises:
            DatabaseError: if it cannot be asked.
        """
        return int(self.rows("SELECT toUnixTimestamp64Micro(now64(6)) AS now")[0]["now"])

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that has no rows.

        Raises:
            DatabaseError: if it fails.
        """
        self._run("raw_query", sql, parameters)  # which sends many parameters in a form, not in the address

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Append *rows*, whose values are in the order of *columns*, as one block.

        Raises:
            DatabaseError: if it fails.
        """
        if rows:
            self._run("insert", table, rows, columns)

    def gather_inserts(self) -> None:
        """Let the server store together what many clients insert at a time. Each insert waits until it is stored."""
        for name in ("async_insert", "wait_for_async_insert"):
            self._connection.set_client_setting(name, 1)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, method: str, *arguments: Any) -> Any:
        driver = import_module("clickhouse_connect.driver.exceptions")
        try:
            with self._lock:
                answer = getattr(self._connection, method)(*arguments)
                # The rows behind the first block are read here, which may fail as well.
                return (answer.column_names, answer.result_rows) if method == "query" else answer
        except driver.ClickHouseError as error:
            raise _explained(self.address, error) from error


def connect(address: Address, *, may_make: bool = False) -> Client:
    """Return a connection to the database at *address*.

    Args:
        address: where it is.
        may_make: whether the folder of an engine in this process is made where there is none.

    Raises:
        ConfigurationError: if the extra ``scale`` is not installed.
        DatabaseError: if the database cannot be reached or used.
    """
    try:
        driver = import_module("clickhouse_connect")
        if address.folder is not None:
            import_module("chdb")
    except ImportError as error:
        package = "learning-instrument[scale]" if error.name != "chdb" else "chdb"
        raise ConfigurationError(f"{error.name} is not installed: pip install '{package}'.") from error
    logging.getLogger("clickhouse_connect").addHandler(_UNSEEN)
    if address.folder is not None and not may_make and not os.path.isdir(os.path.join(address.folder, "metadata")):
        raise DatabaseError(f"There is no fleet in {address.folder}: learning-instrument fleet init makes one.")
    where: dict[str, Any] = {"interface": "chdb", "path": address.folder}
    if address.folder is None:
        where = {
            "interface": "https" if address.is_secure else "http",
            "host": address.host,
            "port": address.port,
            "username": address.user,
            "password": address.password,
            "autogenerate_session_id": False,  # a session has one question at a time
            "show_clickhouse_errors": "scrub",
            "connect_timeout": _CONNECT_SECONDS,
            "send_receive_timeout": _FIRST_ANSWER_SECONDS,
        }
    try:
        connection = driver.get_client(database=address.database, **where)
        version = str(connection.server_version)
        if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST_SERVER:
            connection.close()
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise DatabaseError(f"The ClickHouse {version} at {address} is too old: upgrade it to {oldest} or newer.")
        for name, value in _SETTINGS.items():
            connection.set_client_setting(name, value)
        if address.folder is None:
            connection.timeout = import_module("urllib3").Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS)
    except driver.driver.exceptions.ClickHouseError as error:
        raise _explained(address, error) from error
    return Client(address, connection)


def _explained(address: Address, error: Exception) -> DatabaseError:
    """Return the error to raise for one of the driver's."""
    code, fault = getattr(error, "code", None), _one_line(str(error))
    if code in _WRONG_PASSWORD:
        return DatabaseError(f"{address} refuses the user {address.user!r}: check user and password.")
    if code == _NO_DATABASE:
        return DatabaseError(f"There is no database {address.database!r} at {address}: CREATE DATABASE makes it.")
    if code == _NO_TABLE:
        return DatabaseError(f"A table is missing in {address}: {fault}. Run learning-instrument fleet init.")
    if code == _NO_RIGHTS:
        return DatabaseError(
            f"The user {address.user!r} lacks a right at {address}: {fault}. GRANT it, or all that the command needs:"
            " docs/how-to/fleet has the statements."
        )
    if code == _READ_ONLY or "readonly" in fault:
        return DatabaseError(
            f"The user {address.user!r} is read-only at {address}: {fault}. Reports need a user with readonly=2, which"
            " may change settings; init, refresh and feedback one that may write."
        )
    if address.folder is not None and "EmbeddedServer" in fault:
        return DatabaseError(
            f"The engine cannot open the folder {address.folder}: it must be writable, and open in no other process."
        )
    if code is not None or address.folder is not None:
        return DatabaseError(f"{address} answers: {fault}.{_remedy(code, address)}")
    cause = _cause(error)
    hint = "check host and port, and that the server runs"
    if address.port in _NATIVE_PORTS:
        hint = f"port {address.port} is usually that of the native protocol; HTTP's is 8123, that of HTTPS 8443"
    what = f"does not answer as ClickHouse does: {fault}" if cause is None else f"cannot be reached: {cause}"
    return DatabaseError(f"{address} {what}; {hint}.")


def _remedy(code: int | None, address: Address) -> str:
    """Return what may help against an error of ClickHouse's, behind a space; empty where nothing is known to."""
    if code in _LIMITS:
        return " Ask for less, as by --since or another filter, or raise the limit."
    return " The server's log has more." if address.folder is None else ""


def _cause(error: BaseException) -> str | None:
    """Return what the operating system says of a connection; None where there was an answer."""
    found = None
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError):
            found = link.strerror or str(link)
        link = link.__cause__ or link.__context__
    return None if found is None else _one_line(found)


def _one_line(text: str) -> str:
    line = " ".join(_NOISE.sub("", text).split())
    return (line if len(line) <= _LONGEST_FAULT else f"{line[:_LONGEST_FAULT]}...").rstrip(".")
