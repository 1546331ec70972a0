"""A small HTTP server for this machine: a table of routes, each of which answers with a document."""

import http.server
import io
import ipaddress
import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from ...errors import ConfigurationError, LearningInstrumentError, UnknownExecutionError
from ...safety.clocks import time
from ...safety.control_characters import one_line
from ...safety.guards import warn
from ...sqlite.read_only import VALUE_FAULTS

log = logging.getLogger(__name__)

#: How long a client may take to send its whole request, and to receive the answer.
_SECONDS: Final = 30.0
#: How long a client may go on sending after the answer; in all, and without a pause.
_BODY_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0
_BODY_BYTES: Final = 65_536
#: Requests that are answered at once, and how long a further one waits until one of these has ended.
_MOST_AT_ONCE: Final = 200
_WAIT_SECONDS: Final = 1.0
#: The longest target of a request, in characters, and the most parameters in it.
_LONGEST_TARGET: Final = 8_000
_MOST_PARAMETERS: Final = 100
_INVALID_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
#: Of clients that are no browsers: those send the header ``Host``.
_WITHOUT_HOST: Final = ("HTTP/0.9", "HTTP/1.0")
_METHODS: Final = ("GET", "HEAD")
_TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
#: What browsers are told with every answer: to keep, guess, show in a frame and give away nothing.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: It follows the policy of a document.
_NO_FRAME: Final = "frame-ancestors 'none'"
_NONE: Final[Mapping[str, Any]] = {}

Query = Mapping[str, tuple[str, ...]]
"""The parameters of an address: name -> its values, decoded, in their order."""


class Document(NamedTuple):
    """What a request is answered with."""

    content_type: str
    body: bytes
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = _NONE


class Request(NamedTuple):
    """What a client asks for."""

    #: As it was sent.
    path: str
    #: What follows the prefix of the route, decoded.
    rest: str = ""
    query: Query = _NONE
    cookies: Mapping[str, str] = _NONE
    #: The header of that name.
    authorization: str = ""
    #: The port of the server.
    port: int = 0


Routes = Mapping[str, Callable[[Request], Document]]
"""Path, or prefix that ends with ``/`` -> what answers it. Errors of ours are the answers 404 (an unknown execution),
400 (a faulty question) and 503 (a database that cannot answer), with their messages."""

Admission = Callable[[Request], Document | None]
"""What a request is answered with in place of its route; None: by its route."""

ErrorPage = Callable[[str, str], Document]
"""Title and message -> the page that a browser is shown for them."""


def one_line_of(message: str, status: int, headers: Mapping[str, str] = _NONE) -> Document:
    """Return *message* as a document of one line."""
    return Document(_TEXT, f"{one_line(message)}\n".encode(), status, headers)


class DocumentServer(socketserver.ThreadingTCPServer):
    """Serves *routes*; made, it listens.

    Args:
        host: the address or name to listen at.
        port: the port; 0 takes a free one.
        routes: what is served.
        admission: asked before a route is.
        error_page: for browsers; else errors are one line of text.

    Raises:
        ConfigurationError: if it cannot listen there.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        routes: Routes,
        admission: Admission = lambda request: None,
        error_page: ErrorPage | None = None,
    ) -> None:
        self.host = host
        self.routes = routes
        self.admission = admission
        self.error_page = error_page
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        try:
            self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            super().__init__(address, _Handler)  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:  # of a name that cannot be one
            why = error.strerror if isinstance(error, OSError) else "invalid name"
            raise ConfigurationError(
                f"Cannot listen at {_url(host, port)}: {why}. Choose another with --host or --port."
            ) from error

    @property
    def url(self) -> str:
        """The address that it listens at."""
        return _url(self.host, self.server_address[1])

    @property
    def is_local(self) -> bool:
        """Whether this machine alone reaches it."""
        return ipaddress.ip_address(str(self.server_address[0])).is_loopback

    def accepts(self, host: str) -> bool:
        """Tell whether a request for *host* may be answered.

        A page of the web can lead its own name to this machine, and read what its visitor's browser is answered. So a
        name must be that of this machine, or the one that the user gave. An address needs no check but at a loopback
        address, where no other can be meant.
        """
        name = _name_of(host)
        if name in ("localhost", self.host.lower()):
            return True
        try:
            asked = ipaddress.ip_address(name)
        except ValueError:
            return False
        return asked.is_loopback or not self.is_local

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, where one is free; drop the request where none will be."""
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and free the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go that went itself."""
        fault = sys.exc_info()[1]
        if not isinstance(fault, OSError):
            warn(log, "A request was not answered: %r.", fault)


class _Incoming(io.RawIOBase):
    """What a client sends, until a deadline: the time limit of a socket begins anew with every byte.

    Args:
        connection: the socket.
        seconds: how long it may take in all.
        pause: how long it may send nothing.
    """

    def __init__(self, connection: socket.socket, seconds: float, pause: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._pause = pause

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come; wait for it where nothing has."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left, self._pause))
        return self._connection.recv_into(buffer)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: DocumentServer
    server_version = "learning-instrument"
    sys_version = ""

    def __getattr__(self, name: str) -> Any:
        """Return what answers a method: of HTTP's, ``do_GET`` and the like, all."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def setup(self) -> None:
        """Give the client its time."""
        super().setup()
        self.rfile = io.BufferedReader(_Incoming(self.connection, _SECONDS, _SECONDS))

    def parse_request(self) -> bool:
        """Read the request: one of HTTP/0.9 is its first line, of two words, and no headers are to be waited for."""
        if len(self.raw_requestline.split()) == 2:
            self.rfile = io.BytesIO()
        return super().parse_request()

    def _answer(self) -> None:
        self._send(self._document())
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._skip_body()

    def _document(self) -> Document:
        scheme, is_absolute, rest = self.path.partition("://")
        target, host = self.path, self.headers.get("Host")
        if is_absolute and scheme.lower() in ("http", "https"):  # as to a proxy: this host counts, not the header
            host, slash, target = rest.partition("/")
            target = slash + target
        needs_host = host is not None or self.request_version not in _WITHOUT_HOST
        if needs_host and not self.server.accepts(host or ""):
            why = "This name is not this machine's: ask by localhost, or an address."
            return one_line_of(why, HTTPStatus.FORBIDDEN)
        if self.command not in _METHODS:
            allowed = {"Allow": ", ".join(_METHODS)}
            return one_line_of("Only GET and HEAD.", HTTPStatus.METHOD_NOT_ALLOWED, allowed)
        if len(target) > _LONGEST_TARGET:
            why = f"The address is longer than {_LONGEST_TARGET:,} characters."
            return one_line_of(why, HTTPStatus.REQUEST_URI_TOO_LONG)
        try:
            request = self._request(target)
        except ValueError:
            why = (
                f"Invalid address: expected UTF-8 as %XX, no %00, and at most {_MOST_PARAMETERS} parameters after the"
                " question mark."
            )
            return one_line_of(why, HTTPStatus.BAD_REQUEST)
        return self.server.admission(request) or self._routed(request)

    def _request(self, target: str) -> Request:
        if not target.isascii() or _INVALID_ESCAPE.search(target) or "\0" in unquote(target, errors="strict"):
            raise ValueError(target)
        path, _, query = target.partition("?")
        values: dict[str, tuple[str, ...]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS):
            values[name] = (*values.get(name, ()), value)
        cookies = (each.partition("=") for header in self.headers.get_all("Cookie", ()) for each in header.split(";"))
        return Request(
            path,
            query=values,
            cookies={name.strip(): value.strip() for name, _, value in cookies},
            authorization=self.headers.get("Authorization", ""),
            port=self.server.server_address[1],
        )

    def _routed(self, request: Request) -> Document:
        routes = self.server.routes
        end = request.path.find("/", 1) + 1 or len(request.path)
        route = routes.get(request.path[:end])
        if route is None:
            return self._refused(HTTPStatus.NOT_FOUND, f"There is only {', '.join(routes)}.")
        try:
            return route(request._replace(rest=unquote(request.path[end:])))
        except UnknownExecutionError as error:
            return self._refused(HTTPStatus.NOT_FOUND, str(error))
        except ConfigurationError as error:
            return self._refused(HTTPStatus.BAD_REQUEST, str(error))
        except LearningInstrumentError as error:
            return self._refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except VALUE_FAULTS as error:
            warn(log, "%r cannot be answered: %r.", request.path, error)
            why = "It cannot be answered. Where the database has invalid values, learning-instrument doctor names them."
            return self._refused(HTTPStatus.SERVICE_UNAVAILABLE, why)

    def _refused(self, status: HTTPStatus, why: str) -> Document:
        if self.server.error_page is None or "text/html" not in self.headers.get("Accept", ""):
            return one_line_of(why, status)
        return self.server.error_page(status.phrase, why)._replace(status=status)

    def _skip_body(self) -> None:
        """Read what a client sends with its request: to one that is still sending, a closed connection is an error.

        It has its answer, and ends when it has sent all, however much it announced.
        """
        self.connection.shutdown(socket.SHUT_WR)
        body = _Incoming(self.connection, _BODY_SECONDS, _PAUSE_SECONDS)
        while body.read(_BODY_BYTES):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in one line what is no request of HTTP."""
        self._send(one_line_of(f"{HTTPStatus(code).phrase}.", code))

    def _send(self, document: Document) -> None:
        self.connection.settimeout(_SECONDS)
        etag = document.headers.get("ETag")
        has_it = etag is not None and self.headers.get("If-None-Match") == etag
        self.send_response(HTTPStatus.NOT_MODIFIED if has_it else document.status)
        policies = document.headers.get("Content-Security-Policy"), _NO_FRAME
        headers = {**_HEADERS, **document.headers, "Content-Security-Policy": "; ".join(filter(None, policies))}
        if not has_it:
            headers |= {"Content-Type": document.content_type, "Content-Length": str(len(document.body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and not has_it:
            self.wfile.write(document.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Log nothing: a scraper asks every few seconds."""


def _name_of(host: str) -> str:
    """Return the name or address in a header ``Host``, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _url(host: str, port: Any) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
