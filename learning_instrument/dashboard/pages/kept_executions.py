"""Executions that a file has whole: those that its rows lead to, each drawn once."""

import shlex
from typing import Final

from ... import formatting
from ...analytics.executions import executions_of
from ...analytics.story import story
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable
from ..charts.waterfall import waterfall
from ..markup import Markup, element, shortened
from ..record_cells import cost_of, error_of, reported, when_of

#: Executions that are kept, the first that are asked for; lines of each.
_MOST: Final = 20
_LINES: Final = 40
#: Characters of its error.
_ERROR: Final = 300


class KeptExecutions:
    """Gives addresses of executions within a file, and keeps those that it gave one."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def address(self, execution_id: str) -> str | None:
        """Return the address of an execution in the file; None where it has enough of them."""
        if execution_id not in self._ids and len(self._ids) >= _MOST:
            return None
        self._ids[execution_id] = None
        return f"#{_anchor(execution_id)}"

    def kept(self, execution_id: str) -> str | None:
        """Return the address of an execution that has one already."""
        return f"#{_anchor(execution_id)}" if execution_id in self._ids else None

    def markup(self, database: Queryable) -> Markup | None:
        """Return those that have an address, each closed; None where there are none.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        found = executions_of(database, list(self._ids))
        drawn = [self._drawn(database, found[each]) for each in self._ids if each in found]
        if not drawn:
            return None
        heading = f"{formatting.counted(len(drawn), 'execution')} whole"
        said = element("p", "What the rows above lead to: where the time of each went", class_="caption")
        return element(
            "section",
            element("h2", heading, id="executions-heading"),
            said,
            *drawn,
            aria_labelledby="executions-heading",
            id="executions",
            class_="card wide",
        )

    def _drawn(self, database: Queryable, record: ExecutionRecord) -> Markup:
        whole = f"learning-instrument show {shlex.quote(record.execution_id)}"
        ended = f"{when_of(record)}: {reported(record, 'task_type')}, {record.outcome.value}, cost {cost_of(record)}"
        return element(
            "details",
            element("summary", ended),
            None if record.success else element("p", shortened(error_of(record), _ERROR), class_="bad"),
            waterfall(story(database, record.execution_id, _LINES), self.kept),
            element("p", "All of it: ", element("code", whole), class_="small"),
            id=_anchor(record.execution_id),
        )


def _anchor(execution_id: str) -> str:
    """Return the anchor of an execution; an id that another program has stored may be any text."""
    letters = (letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}_" for letter in execution_id)
    return f"x-{''.join(letters)}"
