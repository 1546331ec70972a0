"""The exceptions a caller may catch. Each message names the value and the remedy."""

from datetime import datetime


class LearningInstrumentError(Exception):
    """Base class of every exception this package raises."""


class ConfigurationError(LearningInstrumentError, ValueError):
    """An invalid argument, option or environment variable."""


class DatabaseError(LearningInstrumentError):
    """A database cannot be opened, read or written."""


class SchemaVersionError(DatabaseError):
    """A database was written by a newer release."""


class UnknownExecutionError(LearningInstrumentError, LookupError):
    """An id matches no execution, or more than one."""


class BudgetExceeded(LearningInstrumentError):  # noqa: N818 - the name that was promised
    """A task was refused before it started: its budget is spent or cannot be checked.

    Args:
        message: the text of the exception.
        spent_usd: the known amount spent in the present window, in US dollars; None where unknown.
        limit_usd: the limit, in US dollars.
        opens: the start of the next window.
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
