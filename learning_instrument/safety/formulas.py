"""Keeps spreadsheets from taking text of CSV for formulas.

A quote before such a text makes it text. A text that begins with quotes before a formula gets one more, so that taking
one away restores every text.
"""

import re
from typing import Final

#: OWASP, "CSV Injection": also in full width, and after blanks; and characters that move a text to another cell.
_formula: Final = re.compile("'*(?:[\t\r\n]|[\\s\0-\x1f\u200b\ufeff]*[-=+@\uff0d\uff1d\uff0b\uff20])")
_QUOTE: Final = "'"


def escaped(text: str) -> str:
    """Return *text* with a quote before it where it begins like a formula."""
    return _QUOTE + text if _formula.match(text) else text


def unescaped(text: str) -> str:
    """Return the text that :func:`escaped` was given."""
    return text[1:] if text.startswith(_QUOTE) and _formula.match(text) else text
