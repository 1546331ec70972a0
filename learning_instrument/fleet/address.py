"""Addresses of databases in ClickHouse: ``clickhouse://user:password@host/database``."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigurationError

_SCHEMES: Final = ("clickhouse", "clickhouses", "chdb")
_EXPECTED: Final = "expected clickhouse://USER:PASSWORD@HOST:PORT/DATABASE"
_HTTP_PORT: Final = 8123
_HTTPS_PORT: Final = 8443
#: Mistyped ones as well, which are no paths: within other words, of another scheme, and without one.
_ADDRESS: Final = re.compile(
    r"""\b(?:clickhouses?|chdb|https?|jdbc):/
    | ^[\s'"]*(?:(?!sqlite:|file:)[\w.+-]{2,}://|(?:clickhouses?|chdb):)
    | ^[\s'"]*(?:\w*//)?(?!\d)[^\s'"/\\:?]*:[^/\\@]+@""",
    re.IGNORECASE | re.VERBOSE,
)
#: What is behind a user's colon and no password: the port of a host, and what our own remedies say.
_BEHIND_COLON: Final = r"(?!\d+(?:\W|$)|PASSWORD\b)"
_BEHIND_SLASHES: Final = re.compile(rf"//(?!\[)[^\s/:]*:{_BEHIND_COLON}")
#: Its first colon that is not that of a scheme, of a drive, or of a time.
_WITHIN_A_WORD: Final = re.compile(
    rf"(?<!\S)((?:[^\s:]|:(?=[/\\])|(?<=T\d\d):(?=\d\d)|(?<=:\d\d):(?=\d\d))*:){_BEHIND_COLON}(?![/\\])\S*@"
)
#: That of a query, and one whose @ was cut off with all behind it.
_OTHERS: Final = re.compile(r"(?<=password=)\S+|(?<=//)[^\s/@]*:[^\s@]{0,500}(?=\.\.\.)", re.IGNORECASE)
_TRUE: Final = ("1", "true")
_FALSE: Final = ("0", "false")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and who asks. As text it has no password."""

    host: str
    port: int
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    is_secure: bool = False
    #: The folder of the engine in this process, and then there is no server.
    folder: str | None = None

    @classmethod
    def parse(cls, text: "Address | str") -> "Address":
        """Return the address that *text* means; one that is parsed is itself.

        ``clickhouses://`` and ``?secure=1`` are HTTPS. The port is that of HTTP, 8123 or 8443 by default.
        ``chdb:///folder?database=name`` is the engine in this process, for tests and for trying it out.

        Raises:
            ConfigurationError: for an invalid address.
        """
        if isinstance(text, Address):
            return text
        if not isinstance(text, str):
            raise _invalid(_EXPECTED)
        text = text.strip()
        if any(mark in text.partition("://")[2].rpartition("@")[0] for mark in "/?#"):
            raise _invalid(f"{_EXPECTED}, in whose PASSWORD / ? and # are written %2F %3F and %23")
        try:
            parts = urlsplit(text)
            port = parts.port
            if port == 0:
                raise ValueError(port)
        except ValueError:  # whose words may have the password
            raise _invalid(f"{_EXPECTED}, with a PORT from 1 to 65535") from None
        if parts.scheme not in _SCHEMES:
            raise _invalid(f"{_EXPECTED}; the path of a file of such a name is ./NAME")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.scheme == "chdb":
            if parts.netloc or not re.match("/+[^/]", parts.path) or parts.fragment or options.keys() - {"database"}:
                raise _invalid("expected chdb:///FOLDER or chdb:///FOLDER?database=NAME")
            return cls("", 0, database=options.get("database") or "default", folder=unquote(parts.path))
        database = unquote(parts.path.strip("/"))
        if parts.fragment or not parts.hostname or "/" in parts.path.strip("/"):
            raise _invalid(_EXPECTED)
        secure = options.pop("secure", "0").lower()
        if options or secure not in (*_TRUE, *_FALSE):
            raise _invalid(f"{_EXPECTED}, and behind it nothing but ?secure=1 or ?secure=0")
        is_secure = parts.scheme == "clickhouses" or secure in _TRUE
        return cls(
            host=parts.hostname,
            port=port or (_HTTPS_PORT if is_secure else _HTTP_PORT),
            user=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=database or "default",
            is_secure=is_secure,
        )

    def __str__(self) -> str:
        """Return the address without its password."""
        if self.folder is not None:
            return f"chdb://{self.folder}?database={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'clickhouses' if self.is_secure else 'clickhouse'}://{host}:{self.port}/{self.database}"


def is_address(text: object) -> bool:
    """Tell whether *text* is an address, be it a wrong one, and not the path of a file."""
    return isinstance(text, str) and _ADDRESS.search(text) is not None


def without_passwords(text: str) -> str:
    """Return a message with ``***`` for the passwords of addresses, mistyped ones too; rather for more than for less.

    Behind ``//`` a password may have blanks and ``@``, so what is masked ends at the last ``@`` of the message.
    """
    before, at, behind = text.rpartition("@")
    found = _BEHIND_SLASHES.search(before)
    if found is not None:
        text = f"{before[: found.end()]}***{at}{behind}"
    return _OTHERS.sub("***", _WITHIN_A_WORD.sub(r"\1***@", text))


def _invalid(reason: str) -> ConfigurationError:
    """Return the error of an invalid address. It shows none of the address: any part may be a password."""
    return ConfigurationError(f"Invalid address of a fleet: {reason}.")
