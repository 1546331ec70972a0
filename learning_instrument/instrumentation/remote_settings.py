"""The settings that travel with what is pickled: where an unconfigured process records, and how."""

import dataclasses
import functools
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..pipeline.installed import Installed
from ..recording.contents import Kept
from ..recording.text_settings import TextSettings
from ..safety import own_redaction
from ..safety.guards import guarded, warn
from ..safety.named_secrets import MARKER
from .picklers import Parcel, opened, packed

if TYPE_CHECKING:
    from ..budgets import Budget
    from ..database import Durability, LearningDatabase

log = logging.getLogger(__name__)


class RemoteDatabase(NamedTuple):
    """The database of the process that pickles."""

    path: str
    durability: "Durability"

    @classmethod
    def of(cls, database: Any) -> "RemoteDatabase | None":
        """Return that of *database*, whose file exists from now on; None where *database* is something else.

        Where its file is missing, a process knows that it is on another machine.
        """
        if not hasattr(database, "durability"):
            return None
        if not os.path.exists(database.path):
            guarded(database.query, "SELECT 1")
        return cls(database.path, database.durability)

    def open(self) -> "LearningDatabase | None":
        """Return the database; None, with a warning, where its file is missing: no reader would look for a new one."""
        if not os.path.exists(self.path):
            _warn_of_other_machine(self.path)
            return None
        from ..database import LearningDatabase

        return LearningDatabase(self.path, self.durability)


class SentBudget(NamedTuple):
    """A budget whose function ``on_limit`` is pickled by itself."""

    budget: "Budget"
    on_limit: Parcel | None

    @classmethod
    def of(cls, budget: "Budget", pickler: Any) -> "SentBudget":
        """Return *budget* as *pickler* pickles it."""
        if isinstance(budget.on_limit, str):
            return cls(budget, None)
        on_limit = packed(budget.on_limit, "The function on_limit of a budget", pickler, "log a warning")
        return cls(dataclasses.replace(budget, on_limit="warn"), on_limit)

    def received(self) -> "Budget":
        """Return the budget; it warns where its function cannot be loaded."""
        on_limit = None if self.on_limit is None else opened(self.on_limit)
        return self.budget if on_limit is None else dataclasses.replace(self.budget, on_limit=on_limit)


class RemoteSettings(NamedTuple):
    """What ``configure()`` was given in the process that pickles."""

    #: None where nothing is configured.
    database: RemoteDatabase | None
    keep_metadata: tuple[str, ...]
    redact: "tuple[Any, ...] | Parcel | None"
    budgets: tuple[SentBudget, ...]

    @classmethod
    def of_this_process(cls, pickler: Any) -> "RemoteSettings":
        """Return the settings of this process as *pickler* pickles them."""
        redact: Any = own_redaction.Own.setting
        if redact is not None and not isinstance(redact, tuple):
            instead = f"store {MARKER} in place of texts"
            redact = packed(redact, "The function redact of configure()", pickler, instead)
        database: RemoteDatabase | None = None
        budgets: tuple[SentBudget, ...] = ()
        if Installed.builder is not None:
            from ..configuration import configured_budgets, configured_database

            database = RemoteDatabase.of(configured_database())
            budgets = tuple(SentBudget.of(budget, pickler) for budget in configured_budgets())
        return cls(database, tuple(sorted(Kept.names)), redact, budgets)

    def apply(self) -> RemoteDatabase | None:
        """Record by these settings in this process, unless it is configured, or ever was.

        Returns:
            The database of these settings, where this process records for another one that sent it something before.
        """
        if Installed.generation:
            from ..configuration import records_for_another

            return self.database if self.database is not None and records_for_another(self.database.path) else None
        redact: Any = self.redact
        if isinstance(redact, Parcel):
            redact = opened(redact) or own_redaction.hide
        text_settings = TextSettings(redact, frozenset(self.keep_metadata))
        database = None if self.database is None else self.database.open()
        if database is not None:
            from ..configuration import configure_privately

            budgets = tuple(budget.received() for budget in self.budgets)
            configure_privately(database, text_settings=text_settings, budgets=budgets)
            return None
        guarded(text_settings.add)
        if self.database is not None:
            Installed.has_warned = True  # of what its recorded functions would warn of
        return None


@functools.lru_cache(maxsize=64)
def warn_of_another(name: str, path: str) -> None:
    """Log a warning, once for each function."""
    warn(
        log,
        "Executions of %s, sent by a process that records into %s, go where process %d records for another: a function"
        " of an importable module has one destination. Call configure() there.",
        name,
        path,
        os.getpid(),
    )


@functools.lru_cache(maxsize=64)
def _warn_of_other_machine(path: str) -> None:
    warn(
        log,
        "Executions are not recorded in process %d: its machine does not have %s, the database of the process that"
        " sent them. Export spans by OTLP there (learning-instrument run --otlp), or call configure().",
        os.getpid(),
        path,
    )
