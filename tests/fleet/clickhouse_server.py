"""ClickHouse's HTTP interface before the engine in this process, for its real clients.

The engine of today's release is to be had as a library alone (chdb), without the server around it. Statements,
parameters and settings go to it as they come, and its answers and errors go back as the server sends them.
"""

import base64
import contextlib
import email
import http.server
import io
import re
import threading
import urllib.parse
from typing import Any

import lz4.frame

USER, PASSWORD = "analyst", "a secret of the analyst"
_CODE = re.compile(r"Code: (\d+)")
_NOT_SETTINGS = {"query", "database", "query_id", "session_id", "decompress", "compress", "client_protocol_version",
                 "wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
                 "enable_http_compression"}  # fmt: skip


class ClickHouseServer(contextlib.AbstractContextManager["ClickHouseServer"]):
    """Listens between ``with`` and its end.

    Args:
        client: one of clickhouse-connect, in the database that is asked.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        #: What it says that it is; None: what the engine is.
        self.version: str | None = None
        #: A statement that matches is refused for want of a right.
        self.forbidden = re.compile("(?!)")
        #: What the user's settings are, where it may not change them.
        self.is_read_only = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = self._server.server_port

    @property
    def address(self) -> str:
        """Its address, with user and password."""
        password = urllib.parse.quote(PASSWORD)
        return f"clickhouse://{USER}:{password}@127.0.0.1:{self.port}/{self._client.database}"

    def answer(self, query: dict[str, str], body: bytes) -> bytes:
        """Return the answer to a request."""
        if query.get("database", self._client.database) != self._client.database:
            raise RuntimeError(
                f"Code: 81. DB::Exception: Database {query['database']} does not exist. (UNKNOWN_DATABASE)"
                " (version 26.9.2.1 (official build))"
            )
        statement, _, rows = body.partition(b" FORMAT Native\n") if body.startswith(b"INSERT") else (body, b"", b"")
        statement = query.get("query") or statement.decode()
        if self.forbidden.search(statement):
            raise RuntimeError(
                f"Code: 497. DB::Exception: {USER}: Not enough privileges. To execute this query, it's necessary to"
                f" have the grant CREATE TABLE ON {self._client.database}.*. (ACCESS_DENIED) (version 26.9.2.1)"
            )
        if self.version is not None:
            statement = statement.replace("version()", f"'{self.version}'")
        if self.is_read_only:
            statement = re.sub(r"\breadonly\b", "1 AS readonly", statement)
        settings = {name: value for name, value in query.items() if name not in _NOT_SETTINGS and name[:6] != "param_"}
        with self._lock:
            for name, value in query.items():
                if name.startswith("param_"):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    self._client.command(f"SET {name} = '{quoted}'")
            if statement.startswith("INSERT") and rows:
                target, columns = re.match(r"INSERT INTO (\S+) \(([^)]*)\)", statement).groups()
                names = [name.strip(" `") for name in columns.split(",")]
                table = target.rpartition(".")[2].strip("`")
                self._client.raw_insert(table, names, rows, settings, "Native")
                return b""
            statement, is_native = re.subn(r"\s*FORMAT Native\s*$", "", statement)
            form = "Native" if is_native else "TabSeparated"
            return bytes(self._client.raw_query(statement, settings=settings, fmt=form))

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        front = self
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # no connection outlives its answer

            def do_POST(self) -> None:
                body = b""
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "lz4":
                    body = lz4.frame.LZ4FrameFile(io.BytesIO(body)).read()  # each block is a frame
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
                if self.headers.get_content_type() == "multipart/form-data":  # many parameters, or long ones
                    query |= fields(self.headers["Content-Type"], body)
                try:
                    if self.headers["Authorization"] != expected:
                        raise RuntimeError(
                            f"Code: 516. DB::Exception: {USER}: Authentication failed: password is incorrect, or there"
                            " is no user with such name. (AUTHENTICATION_FAILED) (version 26.9.2.1 (official build))"
                        )
                    answer, code = front.answer(query, body), None
                except Exception as error:
                    answer, code = f"{error}\n".encode(), (_CODE.search(str(error)) or [None, "1002"])[1]
                self.send_response({None: 200, "516": 403, "497": 403, "81": 404, "60": 404}.get(code, 500))
                if code is not None:
                    self.send_header("X-ClickHouse-Exception-Code", code)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> "ClickHouseServer":
        self._thread.start()
        return self

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.close()


def fields(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields of a form that was posted, by their names."""
    form: Any = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
        for part in form.get_payload()
    }
