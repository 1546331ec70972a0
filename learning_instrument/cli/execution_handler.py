"""``tail --exec``: a command for each execution that is shown."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .. import formatting
from .child_command import LIMIT_SECONDS, ChildCommand
from .deliveries import Deliveries, document_bytes, ended_by_sigterm
from .terminal import tell

#: How many executions may wait for the command: the JSON of one has at most some 20 kB.
WAITING: Final = 1000


class ExecutionHandler:
    """Runs *command* for one execution after the other; in a ``with`` block, whose end waits for those that wait.

    An exception that leaves the block, Ctrl-C for example, ends the command and drops what waits.

    Args:
        command: the command to run.
    """

    def __init__(self, command: ChildCommand, waiting: int = WAITING) -> None:
        self._command = command
        self._deliveries = Deliveries(self._deliver, waiting)
        self._sigterm = ended_by_sigterm()
        self._dropped = 0
        self._said = 0

    def handle(self, executions: Iterable[Mapping[str, Any]]) -> None:
        """Run the command for each of *executions* when it is its turn; what finds no room is counted, and said."""
        self._dropped += sum(not self._deliveries.put(document_bytes(execution)) for execution in executions)
        if self._dropped > 2 * self._said:  # so that a long flood is not one of lines
            self._say_dropped()

    def __enter__(self) -> "ExecutionHandler":
        """Let SIGTERM end the block."""
        self._sigterm.__enter__()
        return self

    def __exit__(self, exception_type: Any, *exc_info: Any) -> None:
        """Wait for what waits, for the time of one run at most, and end the command."""
        try:
            if exception_type is None:
                self._dropped += self._deliveries.wait(LIMIT_SECONDS)
        finally:
            self._command.end()
            if self._dropped > self._said:
                self._say_dropped()
            self._sigterm.__exit__(None, None, None)

    def _deliver(self, document: bytes) -> None:
        if reason := self._command.tell(document):
            tell(reason)

    def _say_dropped(self) -> None:
        self._said = self._dropped
        executions = formatting.counted(self._dropped, "execution")
        tell(f"{self._command.name} was not run for {executions}: it is slower than they come.")
