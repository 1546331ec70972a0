"""A call that is not recorded, within a context of its own: what runs in it records itself."""

from opentelemetry.context import Context


class Passage:
    """Attaches a context as an execution does, for any kind of call, and records nothing.

    Args:
        context: that of the call.
        outer: the context around it.
    """

    def __init__(self, context: Context, outer: Context) -> None:
        self.context = context
        self.outer = outer
        self.has_ended = False

    def enter(self, measures: bool = False) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""

    def forget_resources(self) -> None:
        """Do nothing."""

    def mark_defaulted(self, column: str) -> None:
        """Do nothing."""

    def yielded(self, item: object) -> None:
        """Do nothing."""

    def returned(self, result: object) -> None:
        """End."""
        self.has_ended = True

    def raised(self, exception: BaseException) -> None:
        """End."""
        self.has_ended = True
