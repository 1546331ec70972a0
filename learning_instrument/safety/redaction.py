"""Removes secrets from text before it reaches a span or a file.

Secrets with a shape of their own, secrets that a name announces, and then what the user's own ``redact`` finds. Every
secret with a shape has a run of 16 letters and digits, which prose hardly has: it costs a microsecond or two, and runs
no pattern.
"""

import re
from typing import Final

from .named_secrets import MARKER, names_any, without_credentials, without_named
from .own_redaction import Own
from .secret_names import is_mixed, is_random
from .secret_shapes import BY_FIRST_CHARACTER, FORMS, SHORTEST_RUN, Secret, body_of, pattern_of

#: The part of a text that is searched and kept. Redact before cutting: a cut could leave half a secret.
SEARCHED_CHARACTERS: Final = 4096
#: The longest text that a pattern must see completely: user and password of a URL, up to the @.
_LONGEST_SECRET: Final = 800
#: The length of the shortest match of any rule: ``pwd=abcd``.
SHORTEST_SECRET: Final = 8

#: Characters as bytes -> ``w`` in runs, ``.`` in what surrounds a run, a blank for all others.
_CLASSES: Final = (
    bytes(
        b"w"[0] if chr(code).isalnum() or code in b"_-+" else b"."[0] if code in b".:/$|~=%@#&?!>" else b" "[0]
        for code in range(128)
    )
    + b" " * 128
)
_RUN: Final = b"w" * SHORTEST_RUN
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
#: What no secret consists of alone, but for those that begin with ``sk-``.
_SMALL: Final = b"abcdefghijklmnopqrstuvwxyz_-.:/$|~+=%@#&?!>"
#: Hashes and UUIDs, which are common.
_PLAIN: Final = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORTEST_FORM: Final = min(form.least for form in FORMS)

# The text may be cut before the end marker: everything from the start marker is removed.
_KEY_BLOCK: Final = re.compile(
    r"----[- ]BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?[- ]----.*?(?:----[- ]END [A-Z0-9 ]{0,60}[- ]----|\Z)"
    r"|PuTTY-User-Key-File-\d:.*?(?:Private-MAC:[ \t]*[0-9a-fA-F]*|\Z)",
    re.S,
)


def redact(text: str) -> str:
    """Return the first 4,096 characters of *text*, with apparent secrets replaced by a marker."""
    if len(text) <= SEARCHED_CHARACTERS:
        found = text if len(text) < SHORTEST_SECRET else without_secrets(text)
    else:
        found = _without_last_word(without_secrets(text[:SEARCHED_CHARACTERS]))
    return found if Own.redact is None else Own.redact(found)


def redact_all(text: str) -> str:
    """Return *text*, of any length, with apparent secrets replaced by a marker."""
    found = text if len(text) < SHORTEST_SECRET else without_secrets(text)
    return found if Own.redact is None else Own.redact(found)


def without_secrets(text: str) -> str:
    """Return *text* after our own rules alone: no code of the user's runs."""
    classes = text.encode("latin-1", "replace").translate(_CLASSES)
    has_run = classes.find(_RUN) >= 0  # faster than ``in``
    if has_run:
        text = _without_shaped(text, classes)
    if (
        "=" in text or ":" in text or ">" in text or "@" in text or "-" in text  # at a cost of 20 ns each
        or "assword" in text or "DENTIFIED BY" in text
    ) and names_any(text):  # fmt: skip
        text = without_named(text)
    elif has_run and " " in text:
        lower = text.lower()
        if "bearer" in lower or "basic" in lower:
            text = without_credentials(text)
    return text


def _without_shaped(text: str, classes: bytes) -> str:
    """Return *text* without secrets that have a shape of their own; *classes* are those of its characters."""
    if "-" in text and ("PRIVATE KEY" in text or "PuTTY" in text):
        text = _KEY_BLOCK.sub(MARKER, text)
        classes = text.encode("latin-1", "replace").translate(_CLASSES)
    parts: list[str] = []
    kept = 0
    run = classes.find(_RUN)
    while run >= 0:
        start, end = classes.rfind(b" ", 0, run) + 1, classes.find(b" ", run)
        end = end if end >= 0 else len(text)
        for begin, stop in _shaped_in(text, start, end):
            if begin >= kept:
                parts += (text[kept:begin], MARKER)
                kept = stop
        run = classes.find(_RUN, end)
    return "".join(parts) + text[kept:] if parts else text


def _shaped_in(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return where secrets begin and end between two blanks of *text*, in order."""
    chunk = text[start:end]
    telling = chunk.encode("latin-1", "replace").translate(None, _SMALL)
    if (not telling and not ("-" in chunk and "sk-" in chunk)) or _PLAIN.fullmatch(chunk):
        return []
    found: list[tuple[int, int]] = []
    ordinary: dict[Secret, int] = {}  # up to where a shape has only found words: what lies within is not matched again
    for word in _WORD.finditer(text, start, end):
        at = word.start()
        shapes = BY_FIRST_CHARACTER.get(text[at])
        if shapes is not None and text.startswith(shapes.prefixes, at) and not (found and at < found[-1][1]):
            stop = _end_of_shaped(text, at, ordinary)
            if stop is not None:
                found.append((at, stop))
    length = end - start
    if length >= _SHORTEST_FORM:
        for form in FORMS:
            if length >= form.least and form.fixed_part in chunk:
                found += [(start + match.start(), start + match.end()) for match in pattern_of(form).finditer(chunk)]
        found.sort(key=lambda bounds: (bounds[0], -bounds[1]))
    return found


def _end_of_shaped(text: str, start: int, ordinary: dict[Secret, int]) -> int | None:
    for prefix, secret in BY_FIRST_CHARACTER[text[start]].secrets:
        if text.startswith(prefix, start) and ordinary.get(secret, 0) <= start:
            body = body_of(secret).match(text, start + len(prefix))
            if body is None:
                continue
            if is_mixed(text[start : body.end()]) if secret.is_mixed else is_random(body[0]):
                return body.end()
            ordinary[secret] = body.end()
    return None


def _without_last_word(text: str) -> str:
    """Return a cut *text* without its last word, which may be half a secret, and so match no pattern."""
    if text.endswith(MARKER):
        return text
    return text[: max(text.rfind(" "), len(text) - _LONGEST_SECRET, 0)]
