"""A small HTTP server for this machine: a table of routes, each of which answers with a document."""

import http.server
import ipaddress
import socket
import socketserver
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError, LearningInstrumentError
from ..safety.clocks import time

#: How long a client may take to send its request, or to receive the answer.
_SECONDS: Final = 30.0
#: How long a client may go on sending after the answer; in all, and without a pause.
_BODY_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0
_BODY_BYTES: Final = 65_536
#: Of clients that are no browsers: those send the header ``Host``.
_WITHOUT_HOST: Final = ("HTTP/0.9", "HTTP/1.0")
_METHODS: Final = ("GET", "HEAD")
_TEXT: Final = "text/plain; charset=utf-8"


class Document(NamedTuple):
    """What a route answers with."""

    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Document]]
"""Path -> what answers it. An error of ours is the answer 503, with its message."""


class DocumentServer(socketserver.ThreadingTCPServer):
    """Serves *routes*; made, it listens.

    Args:
        host: the address or name to listen at.
        port: the port; 0 takes a free one.
        routes: what is served.

    Raises:
        ConfigurationError: if it cannot listen there.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, routes: Routes) -> None:
        self.host = host
        self.routes = routes
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
        return asked.is_loopback or not ipaddress.ip_address(str(self.server_address[0])).is_loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go that went itself."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: DocumentServer
    timeout = _SECONDS
    server_version = "learning-instrument"
    sys_version = ""

    def __getattr__(self, name: str) -> Any:
        """Return what answers a method: of HTTP's, ``do_GET`` and the like, all."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self._route()
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._skip_body()

    def _route(self) -> None:
        scheme, is_absolute, rest = self.path.partition("://")
        path, host = self.path, self.headers.get("Host")
        if is_absolute and scheme.lower() in ("http", "https"):  # as to a proxy: this host counts, not the header
            host, slash, path = rest.partition("/")
            path = slash + path
        needs_host = host is not None or self.request_version not in _WITHOUT_HOST
        if needs_host and not self.server.accepts(host or ""):
            self._refuse(HTTPStatus.FORBIDDEN, "This name is not this machine's: ask by localhost, or an address.")
            return
        route = self.server.routes.get(path.partition("?")[0])
        if route is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is only {', '.join(self.server.routes)}.")
        elif self.command not in _METHODS:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD.", Allow=", ".join(_METHODS))
        else:
            try:
                document = route()
            except LearningInstrumentError as error:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            else:
                self._send(HTTPStatus.OK, document)

    def _skip_body(self) -> None:
        """Read what a client sends with its request: to one that is still sending, a closed connection is an error.

        It has its answer, and ends when it has sent all, however much it announced.
        """
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_PAUSE_SECONDS)
        deadline = time.monotonic() + _BODY_SECONDS
        while time.monotonic() < deadline and self.rfile.read1(_BODY_BYTES):
            pass

    def _refuse(self, status: HTTPStatus, why: str, **headers: str) -> None:
        self._send(status, Document(_TEXT, f"{why}\n".encode("utf-8", "replace")), **headers)

    def _send(self, status: HTTPStatus, document: Document, **headers: str) -> None:
        self.send_response(status)
        sent = {"Content-Type": document.content_type, "Content-Length": str(len(document.body)), **headers}
        for name, value in {**sent, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
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
