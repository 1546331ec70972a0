"""A webhook: a URL that gets JSON. What may be secret in it (user, path, query) is in no message."""

import base64
import http.client
import sys
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import ConfigurationError

#: Names standard input in the place of the URL, so that it stands in no list of processes.
STANDARD_INPUT: Final = "-"
_TIMEOUT_SECONDS: Final = 20.0
_SUCCESS: Final = range(200, 300)


class Webhook:
    """A receiver of JSON documents.

    Args:
        url: its URL, http or https; ``-`` for the first line of standard input.
        timeout: how many seconds the receiver may stay silent.

    Raises:
        ConfigurationError: if it is no such URL.
    """

    is_retried = True

    def __init__(self, url: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        if url == STANDARD_INPUT:
            url = sys.stdin.readline().strip()
        self._timeout = timeout
        parts = _split(url)
        self.identity = url
        self.name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        self._address = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        self._headers = {"Content-Type": "application/json", "User-Agent": "learning-instrument"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirects)

    def tell(self, document: bytes) -> str | None:
        """Post *document*; return why it failed, or None."""
        request = urllib.request.Request(self._address, document, self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            error.close()
            status = error.code
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The text of some of these errors has the URL.
            reason = getattr(error, "reason", error)
            text = getattr(reason, "strerror", None) if isinstance(reason, OSError) else None
            return f"{self.name} failed: {text or type(reason).__name__}."
        if status in _SUCCESS:
            return None
        hint = ", a redirect, which is not followed: name the URL it leads to" if 300 <= status < 400 else ""
        return f"{self.name} failed: status {status}{hint}."

    def end(self) -> None:
        """Do nothing: a request ends by its timeout, or with the process."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive without its document, or where nothing was meant to be sent."""

    def redirect_request(self, *args: Any) -> None:
        return None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ConfigurationError(
            "Invalid --webhook (not shown, for it may hold a secret): expected the URL of a receiver, http or https, in"
            " ASCII; or - to read it from standard input."
        )
    return parts
