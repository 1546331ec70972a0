"""Takes the fields of a task or a result: the field mapping as straight code, generated once from the table of fields.

For a task and its result that are dicts a loop over the table takes 1.4 times as long, and a closure for each field 1.5
times. There is one function for dicts, whose reader is their ``get``, and one for all other objects, whose reader
remembers each name. A value that is not plain goes to the cleaner of its field.
"""

from collections.abc import Callable
from typing import Any, Final

from ..safety.guards import is_interruption
from ..safety.own_redaction import Own
from ..safety.readers import Reader
from ..safety.sanitize import PLAIN_ID, repeated_id_of, repeated_label_of, text_of
from .fields import FROM_RESULT, FROM_TASK, INVALID, PLAIN_FORMS, FieldPlan
from .guesses import FOR_RESULT, FOR_TASK, Guesses

Take = Callable[[Reader, dict[str, Any], Callable[[str, Any], None]], tuple[str, ...]]
"""``(read, attributes, refuse)``: fills *attributes*; an invalid value goes to ``refuse(column, value)``.

It returns the keys of those that are guessed.
"""

_NEVER: Final = ("False", "value")

_OF_A_DICT: Final = """
def take(read, attributes, refuse):
"""
_OF_A_MEMO: Final = """
def take(read, attributes, refuse):
    seen, fetch, source = read.seen, read.fetch, read.source
"""
_READ_DICT: Final = "value = read({name!r})"
#: Like a call of the reader, which would take longer than all the rest.
_READ_MEMO: Final = """if {name!r} in seen:
                value = seen[{name!r}]
            else:
                value = seen[{name!r}] = fetch(source, {name!r}, None)"""
_FIELD: Final = """
    if {condition}:
        try:
            {reading}
            if value is not None:
                cls = type(value)
                if {is_plain}:
                    attributes[{key!r}] = {plain}
                else:
                    cleaned = clean_{number}(value)
                    if cleaned is INVALID:
                        refuse({column!r}, value)
                    else:
                        attributes[{key!r}] = cleaned
        except BaseException as fault:  # foreign code failed: the field counts as missing
            if is_interruption(fault):
                raise
            {failed}
"""
#: Most objects have no name of a guess.
_GUESSES_OF_A_DICT: Final = """
    try:
        if names.isdisjoint(read.__self__):
            return ()
    except BaseException as fault:  # the comparison with a key
        if is_interruption(fault):
            raise
        return ()
    return guess(read, attributes)
"""
_GUESSES_OF_A_MEMO: Final = """
    kind = read.kind
    if not kind.held.get(names, names):
        if not kind.has_open_dict or names.isdisjoint(source.__dict__):
            return ()
    return guess(read, attributes)
"""


def _generated(plan: FieldPlan, guesses: Guesses, *, is_first: bool, of_memo: bool) -> Take:
    """Return the function that takes the fields of *plan*, and then those of *guesses*.

    Args:
        plan: what to read.
        guesses: what to look for after that.
        is_first: there are no attributes yet.
        of_memo: the reader is a ``Memo``; otherwise it is the ``get`` of a dict.
    """
    names: dict[str, Any] = {
        "__name__": __name__,  # what only code of this package has raised is an interruption
        "INVALID": INVALID,
        "Own": Own,
        "guess": guesses.take,
        "is_interruption": is_interruption,
        "is_plain_id": PLAIN_ID.fullmatch,
        "names": guesses.names,
        "repeated_id_of": repeated_id_of,
        "repeated_label_of": repeated_label_of,
        "text_of": text_of,
    }
    source = _OF_A_MEMO if of_memo else _OF_A_DICT
    earlier: set[str] = set()
    for number, (name, key, column, clean, replaces) in enumerate(plan):
        may_be_set = not replaces and (key in earlier or not is_first)
        is_plain, plain = PLAIN_FORMS.get(clean, _NEVER)
        source += _FIELD.format(
            condition=f"{key!r} not in attributes" if may_be_set else "True",
            reading=(_READ_MEMO if of_memo else _READ_DICT).format(name=name),
            failed=f"seen.setdefault({name!r}, None)" if of_memo else "pass",
            is_plain=is_plain,
            plain=plain,
            key=key,
            column=column,
            number=number,
        )
        names[f"clean_{number}"] = clean
        earlier.add(key)
    source += _GUESSES_OF_A_MEMO if of_memo else _GUESSES_OF_A_DICT
    exec(compile(source, "<the fields of a task or a result>", "exec"), names)  # noqa: S102 - source of our own
    return names["take"]  # type: ignore[no-any-return]


def _for_readers(plan: FieldPlan, guesses: Guesses, *, is_first: bool) -> dict[bool, Take]:
    return {of_memo: _generated(plan, guesses, is_first=is_first, of_memo=of_memo) for of_memo in (False, True)}


# By capture_content, like the plans, and by whether the reader is a Memo. A task's attributes are empty before, but for
# the type that a library knows, which the task's own replaces.
TAKE_TASK: Final = {
    content: _for_readers(plan, FOR_TASK[content], is_first=True) for content, plan in FROM_TASK.items()
}
TAKE_RESULT: Final = {
    content: _for_readers(plan, FOR_RESULT[content], is_first=False) for content, plan in FROM_RESULT.items()
}
