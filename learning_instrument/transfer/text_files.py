"""Opens text files as UTF-8, also compressed and of other encodings: the first bytes tell, not the name."""

import codecs
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import IO, Any, Final

from ..errors import ConfigurationError

_CHUNK: Final = 2**20
_HEAD: Final = 8
_GZIP: Final = b"\x1f\x8b"
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
#: The first bytes of UTF-16: its mark, or ``{`` or ``[`` without one.
_UTF_16: Final = {
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"{\0": "utf-16-le",
    b"[\0": "utf-16-le",
    b"\0{": "utf-16-be",
    b"\0[": "utf-16-be",
}


def open_text(file: IO[bytes], name: str) -> IO[bytes]:
    """Return a reader of the text in *file* as UTF-8: *file* itself where it is nothing else.

    Args:
        file: an open file or pipe, at its beginning.
        name: its name, for messages.

    Raises:
        ConfigurationError: if a library is missing; while reading, if compressed data is damaged.
    """
    head = _read(file, _HEAD)
    if head.startswith(_GZIP):
        return open_text(_reader(_gunzipped(_joined(head, file), name)), name)
    if _ZSTANDARD in (head[:4], head[4:]):
        return open_text(_reader(_unzstandard(_joined(head, file), name, is_framed=head[4:] == _ZSTANDARD)), name)
    if encoding := _UTF_16.get(head[:2]):
        return _reader(_recoded(_joined(head, file), encoding))
    if file.seekable():
        file.seek(0)
        return file
    return _joined(head, file)


def first_line(file: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the first line of *file*, of a long one the beginning, and a reader of all of it."""
    line = file.readline(_CHUNK)
    if file.seekable():
        file.seek(0)
        return line, file
    return line, _joined(line, file)


class _Chunks(io.RawIOBase):
    """A stream of the bytes of *chunks*."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _reader(chunks: Iterable[bytes]) -> IO[bytes]:
    return io.BufferedReader(_Chunks(chunks), _CHUNK)


def _joined(head: bytes, file: IO[bytes]) -> IO[bytes]:
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)  # of a pipe what is there
    return _reader(itertools.chain([head], iter(lambda: read(_CHUNK), b"")))


def _read(file: IO[bytes], size: int) -> bytes:
    """Read *size* bytes, less at the end alone: a pipe gives what is there."""
    found = b""
    while len(found) < size and (more := file.read(size - len(found))):
        found += more
    return found


def _gunzipped(file: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as opened:
            while chunk := opened.read1(_CHUNK):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(name, error) from error


def _unzstandard(file: IO[bytes], name: str, is_framed: bool) -> Iterator[bytes]:
    """Yield the text of Zstandard data.

    Args:
        file: the data.
        name: its name, for messages.
        is_framed: whether the length of each message is before it, as a collector's file exporter writes.
    """
    try:
        arrow = import_module("pyarrow")
    except ImportError as error:
        raise ConfigurationError(
            "Zstandard needs pyarrow; run: pip install 'learning_instrument[scale]', or decompress the file: zstd -d."
        ) from error
    try:
        while is_framed and (length := _read(file, 4)):
            yield from _stream(arrow, io.BytesIO(_read(file, int.from_bytes(length, "big"))))
            yield b"\n"
        if not is_framed:
            yield from _stream(arrow, file)
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise _damaged(name, error) from error


def _stream(arrow: Any, file: IO[bytes]) -> Iterator[bytes]:
    with arrow.CompressedInputStream(file, "zstd") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _damaged(name: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Cannot read {name}: its compressed data is damaged or cut ({error}).")


def _recoded(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while chunk := file.read(_CHUNK):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()
