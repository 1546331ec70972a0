"""Tells what a watch has stored. Each target has a thread of its own, so that one that hangs keeps nothing back."""

import json
import queue
from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any, Final, Protocol

from .. import formatting
from ..analytics.executions import relatives, reported_values
from ..errors import UnknownExecutionError
from ..sqlite.connection import executing, open_for_maintenance
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Selection
from ..storage.alert_memory import Delivery, is_due, retry, settle, take
from .deliveries import Deliveries, document_bytes
from .terminal import tell

_IDS: Final = "execution_ids"


class Target(Protocol):
    """Where alerts are told: a command, or a webhook."""

    #: Whether what failed is tried again.
    is_retried: bool

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def identity(self) -> str:
        """What tells it from others. It may hold secrets."""

    def tell(self, document: bytes) -> str | None:
        """Tell *document*; return why it failed, or None."""

    def end(self) -> None:
        """End what runs."""


def watch_name(selection: Selection, targets: Mapping[str, Target]) -> str:
    """Return what the file knows a watch by: a hash, for a URL may hold a secret."""
    whose = [selection.filters, [(option, target.identity) for option, target in sorted(targets.items())]]
    return sha256(json.dumps(whose).encode()).hexdigest()[:32]


class Telling:
    """Tells the alerts of one watch at its targets.

    Args:
        path: the path of the database.
        watch: what the file knows the watch by.
        targets: option -> where to tell.
        has_content: whether documents have the executions that they name.
    """

    def __init__(self, path: str, watch: str, targets: Mapping[str, Target], has_content: bool) -> None:
        self._path = absolute(path)
        self._watch = watch
        self._targets = targets
        self._has_content = has_content
        self._done: queue.Queue[tuple[Delivery, str | None]] = queue.Queue()
        self._deliveries = {name: Deliveries(self._tell, 1) for name in targets}
        self._busy: set[str] = set()
        #: Whether a target has failed.
        self.has_failed = False

    def start(self) -> bool:
        """Hand the next alert to each target that is idle; tell whether any target is at work.

        Raises:
            DatabaseError: if the database cannot be read or written.
        """
        now = datetime.now(timezone.utc)
        idle = [name for name in self._targets if name not in self._busy]
        with ReadOnlyDatabase(self._path) as database:
            wanted = [name for name in idle if is_due(database, self._watch, name, now)]
        for name in wanted:
            with open_for_maintenance(self._path) as connection, connection.transaction() as opened:
                delivery = take(executing(opened), self._watch, name, now)
            if delivery is not None:
                self._busy.add(name)
                self._deliveries[name].put(delivery)
        return bool(self._busy)

    def wait(self, seconds: float) -> bool:
        """Wait, at most *seconds*, until a target has told an alert, and store how that went; tell whether one has.

        Raises:
            DatabaseError: if the database cannot be written.
        """
        try:
            delivery, reason = self._done.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        self._busy.discard(delivery.target)
        with open_for_maintenance(self._path) as connection:
            if reason is None or not self._targets[delivery.target].is_retried:
                connection.transact(lambda execute: settle(execute, delivery))
                pause = None
            else:
                now = datetime.now(timezone.utc)
                pause = connection.transact(lambda execute: retry(execute, delivery, now))
        if reason is not None:
            self.has_failed = True
            is_last = " It is given up." if self._targets[delivery.target].is_retried else ""
            tell(reason + (is_last if pause is None else f" Next try in {formatting.seconds(pause.total_seconds())}."))
        return True

    def end(self) -> None:
        """End what runs."""
        for target in self._targets.values():
            target.end()

    def _tell(self, delivery: Delivery) -> None:
        """Tell one alert, on the target's thread."""
        try:
            document = delivery.document | self._content(delivery.document.get(_IDS, ()))
            reason = self._targets[delivery.target].tell(document_bytes(document))
        except Exception as error:  # said, and tried again, as any other failure
            reason = f"{self._targets[delivery.target].name} failed: {type(error).__name__}."
        self._done.put((delivery, reason))

    def _content(self, execution_ids: Any) -> dict[str, Any]:
        """Return the executions as they are now: no alert keeps what people wrote."""
        if not self._has_content or not execution_ids:
            return {}
        found = []
        with ReadOnlyDatabase(self._path) as database:
            for execution_id in execution_ids:
                try:
                    found.append(reported_values(relatives(database, execution_id, 0).execution))
                except UnknownExecutionError:  # deleted since
                    continue
        return {"executions": found}
