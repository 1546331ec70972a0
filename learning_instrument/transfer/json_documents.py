"""Splits text into JSON documents: one a line, spread over lines, or in an array, with lines of other text between."""

import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from ..errors import ConfigurationError
from . import spread_document
from .spread_document import MARK, Lines, SpreadDocument, TooLongError


class Entry(NamedTuple):
    """A document or a part of one, or the error of reading it; None for a line of other text."""

    line: int
    document: dict[str, Any] | ConfigurationError | None


class Documents:
    """Iterates over the entries of a text.

    Args:
        file: the text, as UTF-8.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = Lines(file)
        self._has_any = False

    @property
    def done(self) -> int:
        """The number of bytes read."""
        return self._lines.done

    @property
    def has_any(self) -> bool:
        """Whether anything but blanks was read."""
        return self._has_any

    def __iter__(self) -> Iterator[Entry]:
        """Yield each entry."""
        lines = self._lines
        while line := lines.next(spread_document.LONGEST + 1):
            number = lines.number
            text = line.removeprefix(MARK).strip()
            if not text:
                continue
            self._has_any = True
            if text[0] not in b"{[":
                lines.skip(line)
                yield Entry(number, None)
                continue
            if len(line) > spread_document.LONGEST:
                yield from self._spread(line, number)
                continue
            try:
                document = json.loads(text.decode())
            except json.JSONDecodeError as error:
                if error.pos >= len(error.doc):
                    yield from self._spread(line, number, ConfigurationError(_reason(error)))
                else:  # a line of a log may begin with a bracket
                    yield Entry(number, ConfigurationError(_reason(error)) if text[0] in b"{" else None)
                continue
            except (ValueError, RecursionError) as error:
                yield Entry(number, ConfigurationError(_reason(error)))
                continue
            if type(document) is dict:
                yield Entry(number, document)
            else:
                for each in document or (document,):
                    yield Entry(number, each if isinstance(each, dict) else ConfigurationError("not a JSON object"))

    def _spread(self, first: bytes, number: int, reason: ConfigurationError | None = None) -> Iterator[Entry]:
        """Yield the parts of the document that begins with the line *first*.

        Where there is none, that line alone is refused, with *reason*, and the next ones are read anew.
        """
        document = SpreadDocument(self._lines, first, number)
        has_part = False
        try:
            for part in document.parts():
                has_part = True
                yield Entry(document.line, part)
        except ConfigurationError:  # of the file itself; it is a ValueError
            raise
        except (ValueError, RecursionError, TooLongError) as error:
            fault = ConfigurationError(_reason(error))
            yield Entry(document.line, fault) if has_part else Entry(number, reason or fault)
            document.give_up()
        else:
            document.end()


def _reason(error: Exception) -> str:
    if isinstance(error, TooLongError):
        return f"longer than {spread_document.LONGEST // 2**20} MiB"
    if isinstance(error, RecursionError):
        return "not an execution: nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    return f"not an execution: {error}"  # an integer of thousands of digits
