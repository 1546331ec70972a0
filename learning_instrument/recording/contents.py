"""Keeps out what people wrote, where ``capture_content=False`` asks for that, wherever it turns up.

Of metadata stay numbers, booleans and the keys that ``keep_metadata`` names; of messages the template: without quoted
text, without numbers, paths and printed data, and without the words of the task.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final

from ..errors import ConfigurationError
from ..message_templates import mask
from ..safety.guards import guarded, is_interruption
from ..safety.readers import Reader, is_mapping, stored_names, stored_value
from ..safety.sanitize import type_name
from .fields import FIELD_OF

_ITEMS_LIMIT: Final = 200
_DEEPEST: Final = 4
#: Of each text of a task, in characters.
_SEARCHED: Final = 4096
_PROSE: Final = FIELD_OF["task_description"].task_names
_GUESSED_PROSE: Final = frozenset(FIELD_OF["task_description"].guessed_in_task)
#: A key that is a name, and no sentence.
_NAME: Final = re.compile(r"[A-Za-z_][\w.\-]{0,63}")
_WORD: Final = re.compile(r"\w+")
_TEXT: Final = "<TEXT>"


class Kept:
    """The setting of this process. A forked process inherits it."""

    #: The keys that ``configure(keep_metadata=)`` names.
    names: frozenset[str] = frozenset()


def metadata_keys(keep_metadata: Any) -> frozenset[str]:
    """Check the argument *keep_metadata*.

    Raises:
        ConfigurationError: if it is no collection of keys.
    """
    keys = [keep_metadata] if isinstance(keep_metadata, str) else keep_metadata
    if not isinstance(keys, (list, tuple, set, frozenset)) or not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(
            f"Invalid keep_metadata {keep_metadata!r}: expected keys of metadata, such as ('kind',)."
        )
    return frozenset(keys)


def metadata_without(metadata: Any, keep: frozenset[str]) -> Any:
    """Return *metadata* without its texts, but for those under the keys that *keep* or the configuration names."""
    return _without(metadata, keep | Kept.names, _DEEPEST) if is_mapping(type(metadata)) else metadata


def _without(metadata: Any, keep: frozenset[str], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    try:
        for key, value in itertools.islice(metadata.items(), _ITEMS_LIMIT):
            if type(key) is not str:
                continue
            if key in keep or (_NAME.fullmatch(key) and type(value) in (bool, int, float)):
                kept[key] = value
            elif depth > 1 and _NAME.fullmatch(key) and is_mapping(type(value)):
                inner = _without(value, frozenset(), depth - 1)
                if inner:
                    kept[key] = inner
    except BaseException as fault:  # the iteration of a user's mapping may raise anything
        if is_interruption(fault):
            raise
    return kept


def kinds_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers and booleans of *values*, and the types of all others."""
    return {
        name: value if type(value) in (bool, int, float) else f"<{type_name(type(value))}>"
        for name, value in values.items()
    }


def texts_of(task: Any, read: Reader | None, given: Mapping[str, Any]) -> list[str]:
    """Return the texts of a *task*, which a message may repeat."""
    found: list[Any] = [task, given.get("task_description"), given.get("solution_summary")]
    if read is not None:
        found += [guarded(read, name) for name in _PROSE]
        found += [guarded(stored_value, read, name) for name in stored_names(read, _GUESSED_PROSE)]
        metadata = guarded(read, "metadata")
        for source in (task, metadata):
            if is_mapping(type(source)):
                found += guarded(_some_values, source) or ()
    return [text[:_SEARCHED] for text in found if type(text) is str]


def _some_values(source: Mapping[Any, Any]) -> list[Any]:
    return list(itertools.islice(source.values(), _ITEMS_LIMIT))


def message_without(message: str, texts: Iterable[str]) -> str:
    """Return the template of *message*, without what it repeats of *texts*."""
    return mask(_without_repeated(message, texts))


def _without_repeated(message: str, texts: Iterable[str]) -> str:
    """Return *message* without runs of words that also stand in *texts*, and without names and numbers of theirs."""
    pairs: set[tuple[str, str]] = set()
    singles: set[str] = set()
    for text in texts:
        words = [word.casefold() for word in _WORD.findall(text)]
        pairs.update(itertools.pairwise(words))
        singles.update(words if len(words) > 1 else ())
        if len(words) == 1 and len(words[0]) > 3:
            message = re.sub(re.escape(text.strip()), _TEXT, message, flags=re.IGNORECASE)
    tokens = list(_WORD.finditer(message))
    folded = [token[0].casefold() for token in tokens]
    repeated = {
        place
        for place, token in enumerate(tokens)
        if folded[place] in singles and token[0] != token[0].lower() and token[0] != "TEXT"
    }
    for place, pair in enumerate(itertools.pairwise(folded)):
        if pair in pairs:
            repeated.update((place, place + 1))
    parts: list[str] = []
    kept = 0
    for place in sorted(repeated):
        if place - 1 not in repeated:
            parts += (message[kept : tokens[place].start()], _TEXT)
        kept = tokens[place].end()
    return "".join(parts) + message[kept:]


def frames_without_source(traceback: TracebackType | None, limit: int) -> list[str]:
    """Return the innermost *limit* frames of *traceback* as text, without the lines of their source."""
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}\n')
        traceback = traceback.tb_next
    return frames[-limit:]
