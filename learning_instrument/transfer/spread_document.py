"""Reads a JSON document that is spread over lines, or has one long line, in parts.

No more of a large OTLP document is in memory than some of its spans.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from ..errors import ConfigurationError

#: Bytes of a line, and characters of a part of a document.
LONGEST: Final = 64 * 2**20
#: The mark of UTF-8.
MARK: Final = b"\xef\xbb\xbf"
_PIECE: Final = 2**16
_PART_SPANS: Final = 100
#: The longest token but for a string: after it the text was not cut.
_TOKEN: Final = 12

GROUPS: Final = ("resourceSpans", "resource_spans", "batches")
SCOPES: Final = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans")
SCOPE: Final = ("scope", "instrumentationLibrary", "instrumentation_library")
#: The arrays of each level of an OTLP document that are read in parts; before them must be one of these members.
_ARRAYS: Final = (GROUPS, SCOPES, ("spans",))
_BEFORE: Final = ((), ("resource",), SCOPE)
_SPANS: Final = len(_ARRAYS)

_blanks: Final = re.compile(r"[ \t\r\n]*")
_scan: Final = json.JSONDecoder().raw_decode


class Lines:
    """The lines of a file, of a long one pieces; text can be given back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._back: list[bytes] = []
        self._ended = 0
        #: That of the line last read.
        self.number = 0
        #: Bytes read.
        self.done = 0

    def next(self, most: int) -> bytes:
        """Return the next line, or the next piece of one with more than *most* bytes; nothing at the end."""
        line = self._back.pop() if self._back else self._file.readline(most)
        self.number = self._ended + 1
        self._ended += line.endswith(b"\n")
        self.done += len(line)
        return line

    def skip(self, line: bytes) -> None:
        """Skip the other pieces of *line*."""
        while line and not line.endswith(b"\n"):
            line = self.next(_PIECE)

    def give_back(self, text: bytes) -> None:
        """Read *text*, which was read last, again."""
        self._back += reversed(io.BytesIO(text).readlines())
        self._ended -= text.count(b"\n")
        self.done -= len(text)


class TooLongError(Exception):
    """A part of a document is too long."""


class SpreadDocument:
    """A JSON document that is spread over lines, read in parts.

    Args:
        lines: the lines after the first.
        first: its first line.
        number: that of the first line.
    """

    def __init__(self, lines: Lines, first: bytes, number: int) -> None:
        self._lines = lines
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._first = first
        self._text = ""
        self._at = 0
        #: The line where the text begins.
        self._line = number
        #: Characters read since the last part.
        self._read = 0
        #: The lines after the first, until there is a part.
        self._taken: list[bytes] | None = []

    @property
    def line(self) -> int:
        """The line read to."""
        return self._line + self._text.count("\n", 0, self._at)

    def parts(self) -> Iterator[dict[str, Any] | ConfigurationError]:
        """Yield the objects of the document; of OTLP requests with a few of their spans.

        Raises:
            ValueError, RecursionError, TooLongError: if the rest cannot be read.
        """
        self._text = self._decoder.decode(self._first.removeprefix(MARK))
        if self._peek() == "{":
            found: Iterator[dict[str, Any] | ConfigurationError] = self._object(0)
        else:
            found = self._members(0)
        for part in found:
            self._taken, self._read = None, 0
            yield part

    def end(self) -> None:
        """Give back what follows the document."""
        self._lines.give_back(self._text[self._at :].encode())

    def give_up(self) -> None:
        """Give back the lines after the one that could not be read."""
        if self._taken is not None:
            self._lines.give_back(b"".join(self._taken))
            self._lines.skip(self._first)
            return
        _, newline, rest = self._text[self._at :].partition("\n")
        self._lines.give_back(rest.encode())
        if not newline:
            self._lines.skip(b"piece")

    def _object(self, level: int) -> Iterator[dict[str, Any]]:
        """Yield an object: whole, or with a few of the members of its array at a time."""
        members: dict[str, Any] = {}
        has_part = False
        self._expect("{")
        separator = self._peek()
        if separator == "}":
            self._at += 1
        while separator != "}":
            key = self._value()
            self._expect(":")
            opening = self._peek()
            if key in _ARRAYS[level] and opening == "[" and (not level or members.keys() & set(_BEFORE[level])):
                members[key] = []
                for item in self._members(level + 1):
                    has_part = True
                    yield {**members, key: [item] if level < _SPANS - 1 else item}
            elif level == 0 and key == "trace" and opening == "{":
                for part in self._object(0):
                    has_part = True
                    yield part
            else:
                members[key] = self._value()
            separator = self._expect(",", "}")
        if not has_part:
            yield members

    def _members(self, level: int) -> Iterator[Any]:
        """Yield the members of an array: objects in parts, of spans lists."""
        self._expect("[")
        separator = self._peek()
        if separator == "]":
            self._at += 1
        spans: list[Any] = []
        while separator != "]":
            if level == _SPANS:
                try:
                    spans.append(self._value())
                except (ValueError, TooLongError):
                    if spans:
                        yield spans  # those before the damage
                    raise
            elif self._peek() == "{":
                yield from self._object(level)
            else:
                self._value()
                if not level:
                    yield ConfigurationError("not a JSON object")
            separator = self._expect(",", "]")
            if spans and (separator == "]" or len(spans) == _PART_SPANS):
                yield spans
                spans = []

    def _expect(self, *characters: str) -> str:
        found = self._peek()
        if found not in characters:
            raise json.JSONDecodeError(f"Expecting {' or '.join(map(repr, characters))}", self._text, self._at)
        self._at += 1
        return found

    def _peek(self) -> str:
        """Return the next character that is not blank."""
        while True:
            self._at = _blanks.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            self._read_more()

    def _value(self) -> Any:
        """Return the next value."""
        self._peek()
        while True:
            try:
                value, end = _scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if not (error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _TOKEN):
                    raise
            else:
                if end < len(self._text):  # else a number may go on
                    self._at = end
                    return value
            self._read_more()

    def _read_more(self) -> None:
        """Read at least as much as there is."""
        self._line = self.line
        self._text = self._text[self._at :]
        self._at = 0
        pieces, wanted = [self._text], len(self._text)
        while wanted >= 0 and (line := self._lines.next(_PIECE)):
            if self._taken is not None:
                self._taken.append(line)
            pieces.append(self._decoder.decode(line))
            wanted -= len(pieces[-1])
            self._read += len(pieces[-1])
            if self._read > LONGEST:
                raise TooLongError
        if len(pieces) == 1:
            raise json.JSONDecodeError("Unexpected end", self._text, len(self._text))
        self._text = "".join(pieces)
