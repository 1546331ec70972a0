"""Splits text into JSON documents: one a line, spread over lines, or in an array, with lines of other text between.

A large OTLP document is read in parts: no more of it is in memory than some of its spans.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple

from ..errors import ConfigurationError

#: Bytes of a line, and characters of a part of a document.
_LONGEST: Final = 64 * 2**20
_PIECE: Final = 2**16
_PART_SPANS: Final = 100
_MARK: Final = b"\xef\xbb\xbf"
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
        self._lines = _Lines(file)
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
        while line := lines.next(_LONGEST + 1):
            number = lines.number
            text = line.removeprefix(_MARK).strip()
            if not text:
                continue
            self._has_any = True
            if text[0] not in b"{[":
                lines.skip(line)
                yield Entry(number, None)
                continue
            if len(line) > _LONGEST:
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
        document = _Document(self._lines, first, number)
        has_part = False
        try:
            for part in document.parts():
                has_part = True
                yield Entry(document.line, part)
        except ConfigurationError:  # of the file itself; it is a ValueError
            raise
        except (ValueError, RecursionError, _TooLongError) as error:
            fault = ConfigurationError(_reason(error))
            yield Entry(document.line, fault) if has_part else Entry(number, reason or fault)
            document.give_up()
        else:
            document.end()


class _Lines:
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


class _TooLongError(Exception):
    """A part of a document is too long."""


class _Document:
    """A JSON document that is spread over lines, read in parts.

    Args:
        lines: the lines after the first.
        first: its first line.
        number: that of the first line.
    """

    def __init__(self, lines: _Lines, first: bytes, number: int) -> None:
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
            ValueError, RecursionError, _TooLongError: if the rest cannot be read.
        """
        self._text = self._decoder.decode(self._first.removeprefix(_MARK))
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
                except (ValueError, _TooLongError):
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
            if self._read > _LONGEST:
                raise _TooLongError
        if len(pieces) == 1:
            raise json.JSONDecodeError("Unexpected end", self._text, len(self._text))
        self._text = "".join(pieces)


def _reason(error: Exception) -> str:
    if isinstance(error, _TooLongError):
        return f"longer than {_LONGEST // 2**20} MiB"
    if isinstance(error, RecursionError):
        return "not an execution: nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    return f"not an execution: {error}"  # an integer of thousands of digits
