"""Makes HTML and SVG out of elements. What is not markup already is text, and is escaped: here, and nowhere else."""

import html
from typing import Final, TypeAlias

from ..safety.control_characters import one_line

#: Characters of a text that are shown; a word of 4,000 would be all that is seen.
MOST_CHARACTERS: Final = 300
#: Elements without an end tag.
_VOID: Final = frozenset(("br", "col", "hr", "img", "input", "link", "meta"))


class Markup(str):
    """HTML or SVG. Only :func:`element`, :func:`joined` and :func:`trusted` make it."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | int | None"
"""What an element holds: markup, or text; None is nothing."""


def trusted(text: str) -> Markup:
    """Return *text* as markup: of this package's own, with nothing in it that a database or a user has said."""
    return Markup(text)


def joined(*children: Child) -> Markup:
    """Return markup and text one after the other."""
    return Markup("".join(map(_of, children)))


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: what it holds.
        attributes: name -> value. ``_`` stands for ``-``, and one at the end is left out: ``class_``, ``for_``. None
            and False leave the attribute out, True has no value.
    """
    tag = f"{name}{''.join(_attribute(*item) for item in attributes.items())}"
    return Markup(f"<{tag}>" if name in _VOID else f"<{tag}>{''.join(map(_of, children))}</{name}>")


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return *text* on one line, what a reader's eyes obey as ``\uXXXX``, and cut where it is longer than *most*."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _of(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    if child is None:
        return ""
    text = str(child)
    return f"{' ' * text[:1].isspace()}{html.escape(shortened(text))}{' ' * text[-1:].isspace()}"


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {written}"
    text = f"{value:.6g}" if isinstance(value, float) else one_line(str(value))
    return f' {written}="{html.escape(text)}"'
