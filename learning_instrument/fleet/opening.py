"""Opens a database: a file, or a fleet at an address."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from ..database import LearningDatabase
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import OpenDatabase, Queryable
from ..storage.feedback import Feedback, Visibility
from .address import is_address

if TYPE_CHECKING:
    from .database import FleetDatabase


class FeedbackDatabase(Queryable, Protocol):
    """A database that feedback is stored in: a :class:`LearningDatabase`, or that of a fleet."""

    @property
    def path(self) -> str:
        """Its path or address."""
        ...

    def add_feedback(
        self,
        execution: str,
        *,
        accepted: bool | None = None,
        rating: int | None = None,
        comment: str | None = None,
        source: str | None = None,
        visibility: Visibility = "private",
    ) -> Feedback:
        """Store feedback on an execution."""
        ...

    def delete_feedback(self, execution: str) -> int:
        """Delete the feedback on one execution; return the number deleted."""
        ...

    def clear_feedback(self) -> int:
        """Delete the feedback on all executions; return the number deleted."""
        ...


def opened(where: str) -> AbstractContextManager[OpenDatabase]:
    """Return the database at *where*, a path or an address, to be read and then closed.

    Raises:
        ConfigurationError: for an address of another form, or without the extra ``scale``.
        DatabaseError: if it cannot be read.
    """
    return fleet_at(where) if is_address(where) else ReadOnlyDatabase(where)


def opened_for_feedback(where: str) -> AbstractContextManager[FeedbackDatabase]:
    """Return the database at *where*, a path or an address, to store feedback in. A file is made where there is none.

    Raises:
        ConfigurationError: for an address of another form, or without the extra ``scale``.
    """
    return fleet_at(where) if is_address(where) else LearningDatabase(where)


def fleet_at(address: str) -> "FleetDatabase":
    """Return the fleet at *address*.

    Raises:
        ConfigurationError: for an address of another form, or without the extra ``scale``.
    """
    from .database import FleetDatabase  # here: the plain install lacks what it imports

    return FleetDatabase(address)
