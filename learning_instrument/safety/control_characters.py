"""Shows the characters that a terminal or an editor obeys in place of showing them."""

import re
from typing import Final

#: C0 and C1 controls, separators of lines and paragraphs, marks of direction, and halves of surrogate pairs.
_OBEYED: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_obeyed: Final = re.compile(f"[{_OBEYED}]")
_obeyed_but_line_end: Final = re.compile(f"(?!\n)[{_OBEYED}]")


def escaped(text: str) -> str:
    r"""Return *text* with each character that is obeyed, but ends of lines, as ``\uXXXX``.

    In a JSON document, in which they stand within strings alone, that is another way to write the same.
    """
    return text if text.isprintable() else _obeyed_but_line_end.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Return *text* on one line: blanks, tabs and ends of lines as one blank, what is obeyed as ``\uXXXX``."""
    return _obeyed.sub(_escape, " ".join(text.split()))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
