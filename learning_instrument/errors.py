"""The exceptions a caller may catch. Each message names the value and the remedy."""

from datetime import datetime


class LearningInstrumentError(Exception):
    """Base class of every exception this package raises."""


class ConfigurationError(LearningInstrumentError, ValueError):
    """An argument, a keyword or an environment variable that cannot be used."""


class DatabaseError(LearningInstrumentError):
    """A database that cannot be opened, read or written."""


class SchemaVersionError(DatabaseError):
    """A database written by a newer release than this one."""


class UnknownExecutionError(LearningInstrumentError, LookupError):
    """An id that names no execution, or more than one."""


class BudgetExceeded(LearningInstrumentError):  # noqa: N818 - the name that was promised
    """A task that was refused before it started, for its budget is spent or cannot be checked.

    Args:
        message: what is said of it.
        spent_usd: what is spent in the present window, in US dollars; None where that cannot be told.
        limit_usd: the limit.
        opens: when the next window begins.
    """

    def __init__(
        self,
        message: str,
        *,
        spent_usd: float | None = None,
        limit_usd: float | None = None,
        opens: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.spent_usd = spent_usd
        self.limit_usd = limit_usd
        self.opens = opens
