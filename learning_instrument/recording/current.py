"""``current_execution()``: the running execution, for the code of its task."""

from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .contexts import EXECUTION_KEY
from .execution import Execution
from .settable import shows_columns

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settable import SettableColumns


class NoExecution:
    """The object that :func:`current_execution` returns outside of an execution; its methods do nothing."""

    __slots__ = ()

    execution_id: Final[None] = None

    @shows_columns
    def set(self, /, **values: "Unpack[SettableColumns]") -> None:
        """Do nothing."""

    def started(self) -> None:
        """Do nothing."""


_NO_EXECUTION: Final = NoExecution()


def current_execution() -> Execution | NoExecution:
    """Return the running execution, to ``set()`` columns that neither its task nor its result fills.

    ``started()`` tells when its work began, after a wait within the pool.
    """
    execution = otel_context.get_value(EXECUTION_KEY)
    return execution if isinstance(execution, Execution) else _NO_EXECUTION


def execution_in(context: Context) -> Execution | None:
    """Return the innermost execution of *context*, which may have ended since."""
    execution = context.get(EXECUTION_KEY)
    return execution if isinstance(execution, Execution) else None
