"""All that is known of one execution, for its page and for a terminal."""

from dataclasses import dataclass

from ..analytics.executions import Relatives, relatives
from ..analytics.story import Story, story
from ..sqlite.selection import Queryable
from ..storage.feedback import Feedback, history


@dataclass(frozen=True, slots=True)
class WholeStory:
    """All that is known of one execution."""

    relatives: Relatives
    story: Story
    feedback: list[Feedback]


def whole_story(database: Queryable, execution_id: str, limit: int, lines: int = 50) -> WholeStory:
    """Return all that is known of the execution *execution_id*.

    Args:
        database: the one to ask.
        execution_id: its whole id.
        limit: how many of its children, and of its model calls, at the most; -1: all.
        lines: how many executions and model calls within it the timeline has.

    Raises:
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the database cannot be read.
    """
    found = relatives(database, execution_id, limit)
    return WholeStory(found, story(database, execution_id, lines), history(database, execution_id))
