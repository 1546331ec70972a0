"""A fleet in ClickHouse, asked in the SQL that a SQLite file is asked in."""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..errors import ConfigurationError
from ..sqlite.selection import Parameters
from .address import Address
from .client import Client, connect
from .schema import check


class FleetDatabase:
    """A database of ClickHouse that is only read. Opened by the first question.

    Args:
        address: where it is, such as ``clickhouse://user:password@host/database``.

    Raises:
        ConfigurationError: for an invalid address.
    """

    def __init__(self, address: Address | str) -> None:
        self.address = address if isinstance(address, Address) else Address.parse(address)
        self._client: Client | None = None
        self._lock = threading.Lock()

    def query(self, sql: str, parameters: Parameters = (), /) -> list[dict[str, Any]]:
        """Answer a question in SQLite's SQL over ``executions``, ``model_calls`` and ``feedback``.

        Raises:
            ConfigurationError: if the extra ``scale`` is not installed.
            DatabaseError: if the database cannot be reached, was not made, or cannot answer.
        """
        return self._opened().rows(*_dialect()(sql, parameters))

    def close(self) -> None:
        """Close. The next question opens the database again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> "FleetDatabase":
        """Open the database."""
        self._opened()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _opened(self) -> Client:
        with self._lock:
            if self._client is None:
                client = connect(self.address)
                try:
                    check(client)
                except BaseException:  # raised again, with the connection closed
                    client.close()
                    raise
                self._client = client
            return self._client


def _dialect() -> Callable[[str, Parameters], tuple[str, dict[str, Any]]]:
    try:
        found: Callable[[str, Parameters], tuple[str, dict[str, Any]]]
        found = import_module(f"{__package__}.dialect").translated
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is not installed: pip install 'learning-instrument[scale]'.") from error
    return found
