"""What rows of executions say: when each started, what went wrong, what it cost."""

from datetime import timezone
from typing import Final

from .. import formatting
from ..analytics.executions import is_cost_known, is_cost_partial
from ..record import ExecutionRecord
from .markup import shortened

#: How much of a name is shown.
_NAME: Final = 60


def error_of(record: ExecutionRecord) -> str:
    """Return what went wrong: the exception's name and message, else how it ended."""
    kind = record.exception_type or (record.error_type.value if record.error_type else record.outcome.value)
    return f"{kind}: {record.error_message}" if record.error_message else kind


def cost_of(record: ExecutionRecord) -> str:
    """Return the cost of an execution; one that is not known is never 0."""
    if not is_cost_known(record):
        return "unknown"
    return formatting.bound(formatting.dollars(record.actual_cost), is_cost_partial(record))


def when_of(record: ExecutionRecord) -> str:
    """Return when an execution started, in UTC, to the minute."""
    return record.timestamp.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M")


def reported(record: ExecutionRecord, name: str) -> str:
    """Return the value of a column that an execution was told; ``unknown`` for a stand-in."""
    return "unknown" if name in record.defaulted else shortened(str(getattr(record, name)), _NAME)
