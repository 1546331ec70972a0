"""The far end of OTLP: a sink that keeps what it is sent, the collector rotel, and spans read back from the bytes."""

import contextlib
import gzip
import http.server
import os
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext


def through_otlp(span: ReadableSpan) -> ReadableSpan:
    """Return *span* as a collector would have it: encoded to OTLP's bytes, and read back."""
    (read,) = read_spans(encode_spans([span]).SerializeToString())
    return read


def read_spans(body: bytes) -> list[ReadableSpan]:
    """Return the spans of the body of one OTLP request."""
    return [
        ReadableSpan(
            name=span.name,
            context=SpanContext(int.from_bytes(span.trace_id, "big"), int.from_bytes(span.span_id, "big"), False),
            attributes=_attributes(span.attributes),
            resource=Resource(_attributes(group.resource.attributes)),
            start_time=span.start_time_unix_nano,
            end_time=span.end_time_unix_nano,
            instrumentation_scope=InstrumentationScope(scope.scope.name),
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind)


AGENT = Path(sysconfig.get_path("platlib")) / "rotel" / "rotel-agent"


class Request(NamedTuple):
    """What was posted: where to, how it was compressed, and the body as it was before that."""

    path: str
    encoding: str
    body: bytes


class Sink(contextlib.AbstractContextManager["Sink"]):
    """An OTLP endpoint that takes everything and keeps it. It listens between ``with`` and its end."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                encoding = self.headers.get("Content-Encoding", "")
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, encoding, gzip.decompress(body) if encoding == "gzip" else body)
                sink.requests.append(request)
                self.send_response(sink.status_of(request))
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def status_of(self, request: Request) -> int:
        """Return the status that *request* is answered with."""
        return 200

    def batches(self) -> list[list[ReadableSpan]]:
        """Return the spans that arrived, a list for each request."""
        return [read_spans(request.body) for request in self.requests]

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that arrived."""
        return [span for batch in self.batches() for span in batch]

    def __enter__(self) -> "Sink":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def why_rotel_cannot_run() -> str:
    """Return the reason why the collector rotel does not run here; nothing where it does."""
    if sys.platform != "linux":
        return f"rotel has no wheel for {sys.platform}"
    tried = subprocess.run([AGENT, "version"], env=_environment(), capture_output=True, text=True, timeout=30)
    return f"rotel-agent does not start: {tried.stderr.strip()}" if tried.returncode else ""


def forwarding_to(sink: str) -> dict[str, str]:
    """Return the variables by which rotel forwards to *sink*, the address of an OTLP endpoint (HTTP)."""
    return {
        "ROTEL_EXPORTER": "otlp",
        "ROTEL_OTLP_EXPORTER_ENDPOINT": sink,
        "ROTEL_OTLP_EXPORTER_PROTOCOL": "http",
        "ROTEL_OTLP_EXPORTER_COMPRESSION": "gzip",
    }


class Rotel(contextlib.AbstractContextManager["Rotel"]):
    """The collector rotel. It runs between ``with`` and its end.

    Args:
        exporter: the variables that say where it sends to: see ``forwarding_to``.
        log: the file for what it prints.
        command: what starts it.
    """

    def __init__(
        self, exporter: Mapping[str, str], log: Path, command: Sequence[str | Path] = (AGENT, "start")
    ) -> None:
        self._exporter = exporter
        self._log = log
        self._command = command
        #: By protocol, the addresses that an OTLP exporter takes.
        self.endpoints: dict[str, str] = {}

    def __enter__(self) -> "Rotel":
        for _ in range(3):  # another program may take a port that was free a moment ago
            ports = {"grpc": _free_port(), "http/protobuf": _free_port()}
            self.endpoints = {protocol: f"http://127.0.0.1:{port}" for protocol, port in ports.items()}
            self._start(*ports.values())
            if all(self._listens(port) for port in ports.values()):
                return self
            self._process.kill()
            self._process.wait()
        raise RuntimeError(f"rotel does not listen: {self._log.read_text()}")

    def _start(self, grpc: int, http: int) -> None:
        environment = _environment(
            ROTEL_OTLP_GRPC_ENDPOINT=f"127.0.0.1:{grpc}",
            ROTEL_OTLP_HTTP_ENDPOINT=f"127.0.0.1:{http}",
            **self._exporter,
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _listens(self, port: int) -> bool:
        deadline = time.monotonic() + 30
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
            time.sleep(0.01)
        return False

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it has used by now."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Have it forward what it holds, and end."""
        self._process.terminate()
        assert self._process.wait(timeout=30) == 0, self._log.read_text()

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()  # nothing to a process that has ended
        self._process.wait()


def _environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "ROTEL_"))}
    # The agent is linked to the interpreter's shared library, and its wheel does not say where that is.
    return {**inherited, "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR"), **more}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
