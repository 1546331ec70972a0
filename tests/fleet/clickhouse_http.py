"""The part of ClickHouse's HTTP interface that a collector's INSERT takes, before the engine in this process.

The engine of today's release is to be had as a library alone (chdb), without the server around it. What a collector
posts goes to it unchanged: the statement, the format, the settings and the rows.
"""

import contextlib
import http.server
import threading
import urllib.parse
from typing import Any

import lz4.block

USER, PASSWORD = "collector", "a secret of the collector"

#: What the server's profile of that user sets: text within JSON is text, and no date.
PROFILE = {"input_format_try_infer_dates": "0", "input_format_try_infer_datetimes": "0"}


class ClickHouseHTTP(contextlib.AbstractContextManager["ClickHouseHTTP"]):
    """Listens between ``with`` and its end.

    Args:
        client: one of clickhouse-connect, in the database that is posted to.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        #: How many of the next inserts are refused.
        self.refusals = 0
        #: The size of each insert's body as it was sent.
        self.received: list[int] = []
        self.faults: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def exporter(self, attributes: str) -> dict[str, str]:
        """Return the variables by which rotel inserts here."""
        kind = {"ROTEL_CLICKHOUSE_EXPORTER_ENABLE_JSON": "true"} if attributes == "json" else {}
        return {
            "ROTEL_EXPORTER": "clickhouse",
            "ROTEL_CLICKHOUSE_EXPORTER_ENDPOINT": self.url,
            "ROTEL_CLICKHOUSE_EXPORTER_DATABASE": self._client.database,
            "ROTEL_CLICKHOUSE_EXPORTER_USER": USER,
            "ROTEL_CLICKHOUSE_EXPORTER_PASSWORD": PASSWORD,
            **kind,
        }

    def insert(self, query: dict[str, str], body: bytes) -> None:
        """Do what was posted."""
        assert query.pop("database") == self._client.database
        statement = query.pop("query")
        if query.pop("decompress", "0") == "1":
            body = decompressed(body)
        query.pop("async_insert", None)  # of servers alone: their own batches
        query |= PROFILE
        with self._lock:
            table, _, rest = statement.removeprefix("INSERT INTO ").partition(" (")
            columns, _, form = rest.partition(") FORMAT ")
            self._client.raw_insert(table, columns.split(","), body, settings=query, fmt=form)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self._chunked() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._sized()
                front.received.append(len(body))
                if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (USER, PASSWORD):
                    return self._answer(403)
                if front.refusals:
                    front.refusals -= 1
                    return self._answer(503)
                try:
                    front.insert(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)), body)
                except Exception as error:
                    front.faults.append(repr(error))
                    return self._answer(400)
                return self._answer(200)

            def _sized(self) -> bytes:
                return self.rfile.read(int(self.headers["Content-Length"]))

            def _chunked(self) -> bytes:
                chunks = []
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def __enter__(self) -> "ClickHouseHTTP":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def decompressed(body: bytes) -> bytes:
    """Return what blocks of LZ4 hold: each is a checksum of 16 bytes, a byte for the method, two sizes, the data."""
    parts, start = [], 0
    while start < len(body):
        assert body[start + 16] == 0x82, "LZ4"
        packed = int.from_bytes(body[start + 17 : start + 21], "little")
        size = int.from_bytes(body[start + 21 : start + 25], "little")
        parts.append(lz4.block.decompress(body[start + 25 : start + 16 + packed], uncompressed_size=size))
        start += 16 + packed
    return b"".join(parts)
