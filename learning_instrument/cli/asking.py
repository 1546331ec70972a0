"""Walks a user through the executions that are worth asking about; each answer is stored at once."""

import sys
from typing import Any, Final

from .. import formatting
from ..analytics import WorthAsking, execution_words, worth_asking
from ..analytics.executions import is_cost_known, is_cost_partial
from ..errors import ConfigurationError, UnknownExecutionError
from ..fleet.opening import FeedbackDatabase
from . import moments
from .rendering import print_fields, print_note
from .terminal import tell, write

_PROMPT: Final = "y, n, 1-5, c COMMENT, Enter, q, ? "
_HELP: Final = (
    "y: accepted; n: not accepted; 1 to 5: a rating, also after y or n; a comment after these, or alone after c;"
    " Enter: skip it; q: quit."
)
_REASONS: Final = {
    "failed": "failed", "long": "took long", "dear": "cost much", "swarm": "used a swarm",
    "uncertain": "uncertain choice of model",
}  # fmt: skip
_JUDGEMENTS: Final = {"y": True, "yes": True, "n": False, "no": False}
_COMMENT: Final = ("c", "comment")
_SKIP: Final = ("s", "skip")
_QUIT: Final = ("q", "quit")


def check_terminal() -> None:
    """Refuse to ask without a terminal.

    Raises:
        ConfigurationError: without a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigurationError(
            "--ask needs a terminal to ask at; store feedback with learning-instrument feedback ID --accept."
        )


def ask_for_feedback(database: FeedbackDatabase, source: str, visibility: str) -> None:
    """Ask about the executions of *database* until each has an answer, or the user quits.

    Args:
        database: the one to ask, and to store into.
        source: the source of the feedback.
        visibility: its visibility.

    Raises:
        DatabaseError: if the database cannot be read or written.
        KeyboardInterrupt: after Ctrl-C. The answers given by then are stored.
    """
    found = worth_asking(database)
    if not found:
        print_note("No execution without feedback is worth asking about.")
        return
    stored = 0
    try:
        for number, each in enumerate(found, 1):
            _show(each, f"{number} of {len(found)}")
            answer = _answer()
            if answer is None:
                break
            if answer:
                stored += _store(database, each, answer | {"source": source, "visibility": visibility})
    finally:
        write("")
        print_note(f"Stored feedback on {formatting.counted(stored, 'execution')}.")


def _show(asked: WorthAsking, place: str) -> None:
    execution = asked.execution
    known = formatting.dollars(execution.actual_cost) if is_cost_known(execution) else "unknown"
    fields = {
        place: f"{formatting.short_id(execution.execution_id)}, {moments.when(execution.timestamp)}",
        "task": ", ".join(filter(None, (execution.task_type, execution.repo, execution.model_tier))),
        "about": execution.task_description,
        "outcome": ": ".join(filter(None, (execution.outcome.value, execution.error_message))),
        "solution": execution.solution_summary,
        "took, cost": f"{execution_words.duration(execution)}, {formatting.bound(known, is_cost_partial(execution))}",
        "asked for": ", ".join(_REASONS[reason] for reason in asked.reasons),
    }
    write("")
    print_fields({name: text for name, text in fields.items() if text})


def _answer() -> dict[str, Any] | None:
    """Return what the user says, empty for a skipped execution, or None to quit or at the end of input."""
    write(_PROMPT, end="")
    while line := _line():
        said = parsed(line)
        if said is not None:
            return None if said.get("quit") else said
        print_note(_HELP)
        write(_PROMPT, end="")
    return None


def _line() -> str:
    try:
        return sys.stdin.readline()
    except UnicodeDecodeError:
        return "?\n"


def parsed(line: str) -> dict[str, Any] | None:
    """Return the feedback that *line* is, ``{"quit": True}``, nothing for a skip, or None if it is none of these."""
    word, _, rest = line.strip().partition(" ")
    word, comment = word.lower(), rest.strip()
    if word in _QUIT or word in _SKIP:
        return None if comment else {"quit": True} if word in _QUIT else {}
    if word in _COMMENT:
        return {"comment": comment} if comment else None
    said: dict[str, Any] = {}
    if word in _JUDGEMENTS:
        said["accepted"] = _JUDGEMENTS[word]
        word, _, comment = comment.partition(" ")
    if len(word) == 1 and word in "12345":
        said["rating"] = int(word)
        word = ""
    if word and not said:
        return None
    comment = f"{word} {comment}".strip()
    return said | ({"comment": comment} if comment else {})


def _store(database: FeedbackDatabase, asked: WorthAsking, answer: dict[str, Any]) -> bool:
    try:
        database.add_feedback(asked.execution.execution_id, **answer)
    except UnknownExecutionError as error:  # deleted meanwhile
        tell(str(error))
        return False
    return True
