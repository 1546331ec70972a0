"""What an execution takes on its way from an application to a fleet's tables, and what a fleet takes by that.

Spans are those of ``examples/fleet/load.py``. Requests have what one machine of the fleet sends in a second. They go
over rotel's wire, in inserts as large as a gateway's, into ClickHouse as a library: the processor time is that of this
machine, the bytes are any machine's.
"""

import contextlib
import gzip
import importlib.util
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import clickhouse_connect
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.table import Table

from learning_instrument.fleet import schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet.refresh import refresh

from . import otlp_sink
from .report import console

ROOT: Final = Path(__file__).resolve().parents[2]
EXECUTIONS: Final = 20_000
MODEL_CALLS: Final = (0, 3)
#: Spans in one INSERT of a gateway.
INSERT: Final = 50_000
#: The fleet that is reckoned with.
MACHINES: Final = 1_000
PER_SECOND: Final = 10_000
MONTH: Final = 30 * 86_400
#: How much of a core is meant to be used.
USED: Final = 0.5


@dataclass(frozen=True)
class Taken:
    """What one execution takes."""

    model_calls: int
    #: Of a request of its application, before and after gzip, and of an INSERT of rotel, in LZ4.
    encoded_bytes: float
    wire_bytes: float
    insert_bytes: float
    #: Of processors: the application's exporter, rotel, ClickHouse with our views and without, and refresh with what
    #: ClickHouse does for it.
    export_us: float
    collector_us: float
    insert_us: float
    bare_insert_us: float
    refresh_us: float
    #: On disk, merged: each table that has rows.
    disk_bytes: dict[str, float]

    @property
    def spans(self) -> int:
        """How many it has."""
        return 1 + self.model_calls


def measure(executions: int = EXECUTIONS) -> list[Taken]:
    """Measure so many executions without model calls, and as many with some."""
    return [_measured(executions, calls) for calls in MODEL_CALLS]


def _measured(executions: int, model_calls: int) -> Taken:
    spans = _spans(executions, model_calls)
    size = PER_SECOND // MACHINES * (1 + model_calls)
    requests = [spans[start : start + size] for start in range(0, len(spans), size)]
    bodies = [encode_spans(part).SerializeToString() for part in requests]
    sent = [gzip.compress(body) for body in bodies]
    inserts, collector_us = _through_rotel(sent)
    bare_us, _, _ = _inserted(inserts, with_views=False)
    insert_us, refresh_us, disk = _inserted(inserts, with_views=True)
    return Taken(
        model_calls=model_calls,
        encoded_bytes=sum(map(len, bodies)) / executions,
        wire_bytes=sum(map(len, sent)) / executions,
        insert_bytes=sum(size for _, _, size in inserts) / executions,
        export_us=_exported(requests) / executions * 1e6,
        collector_us=collector_us / executions,
        insert_us=insert_us / executions,
        bare_insert_us=bare_us / executions,
        refresh_us=refresh_us / executions,
        disk_bytes={table: size / executions for table, size in disk.items()},
    )


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("load", ROOT / "examples" / "fleet" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _spans(executions: int, model_calls: int) -> list[ReadableSpan]:
    load = _load()
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "agents"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace._TRACER_PROVIDER = provider  # type: ignore[attr-defined]  # the public door opens once
    pool = load.Pool(model_calls)
    for number in range(executions):
        with contextlib.suppress(TimeoutError, ValueError, ConnectionError):
            pool.execute_task(load.task(number))
    return list(exporter.get_finished_spans())


def _exported(requests: list[list[ReadableSpan]]) -> float:
    """Return the seconds of processor time that the application's exporter takes."""
    with otlp_sink.serving() as address:
        exporter = OTLPSpanExporter(address, compression=Compression.Gzip)
        exporter.export(requests[0])
        started = time.process_time()
        for part in requests:
            exporter.export(part)
        taken = time.process_time() - started
        exporter.shutdown()
    return taken


def _through_rotel(requests: list[bytes]) -> tuple[list[tuple[dict[str, str], bytes, int]], float]:
    """Return what rotel inserted (its query, the rows, and their size as sent), and its processor time in µs."""
    sys.path.insert(0, str(ROOT / "tests"))
    from collector import Rotel
    from fleet.clickhouse_http import ClickHouseHTTP, decompressed
    from waiting import wait_until

    class Kept(ClickHouseHTTP):
        def insert(self, query: dict[str, str], body: bytes) -> None:
            inserts.append((query, decompressed(body), len(body)))

    class NoClient:
        database = "otel"

    inserts: list[tuple[dict[str, str], bytes, int]] = []
    with tempfile.TemporaryDirectory() as folder, Kept(NoClient()) as front:
        large = {"ROTEL_BATCH_MAX_SIZE": str(INSERT), "ROTEL_BATCH_TIMEOUT": "5s"}
        with Rotel(front.exporter("map") | large, Path(folder, "rotel.log")) as rotel:
            started = rotel.cpu_seconds
            for body in requests:
                headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
                address = rotel.endpoints["http/protobuf"] + "/v1/traces"
                urllib.request.urlopen(urllib.request.Request(address, body, headers)).close()
            wait_until(lambda: inserts and time.sleep(6) is None)  # the last batch is sent by then
            taken = rotel.cpu_seconds - started
            rotel.stop()
    return inserts, taken * 1e6


@contextlib.contextmanager
def _database() -> Iterator[tuple[Any, Any]]:
    """Yield a client of ClickHouse, and our own, of a new database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        clickhouse_connect.get_client(interface="chdb", path=folder) as client,
        connect(Address.parse(f"chdb://{folder}"), may_make=True) as own,
    ):
        yield client, own


def _inserted(
    inserts: list[tuple[dict[str, str], bytes, int]], with_views: bool
) -> tuple[float, float, dict[str, int]]:
    """Return the µs of processor time that inserts take, and refresh, and the bytes on disk of each table, merged."""
    from fleet.otel_traces import create

    with _database() as (client, own):
        create(client)
        if with_views:
            schema.init(own)
        started = time.process_time()
        for query, rows, _ in inserts:
            table, _, rest = query["query"].removeprefix("INSERT INTO ").partition(" (")
            columns = rest.partition(") FORMAT ")[0].split(",")
            client.raw_insert(table, columns, rows, fmt="RowBinary")
        taken = time.process_time() - started
        started = time.process_time()
        if with_views:
            refresh(own, 0)
        refreshed = time.process_time() - started
        tables = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%Tree'"
        )
        for (table,) in tables.result_rows:
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        sizes = client.query(
            "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
            " AND rows > 100 GROUP BY table ORDER BY 2 DESC"
        )
        return taken * 1e6, refreshed * 1e6, dict(sizes.result_rows)


def show(measured: list[Taken]) -> None:
    """Print what an execution takes, and what a fleet takes."""
    columns = [f"{taken.model_calls} model calls" for taken in measured]
    table = _table("One execution", columns)
    _row(table, "OTLP, bytes", measured, lambda taken: f"{taken.encoded_bytes:,.0f}")
    _row(table, "OTLP in gzip, bytes", measured, lambda taken: f"{taken.wire_bytes:,.0f}")
    _row(table, "INSERT in LZ4, bytes", measured, lambda taken: f"{taken.insert_bytes:,.0f}")
    _row(table, "the application's exporter, µs", measured, lambda taken: f"{taken.export_us:,.0f}")
    _row(table, "rotel, µs", measured, lambda taken: f"{taken.collector_us:,.0f}")
    _row(table, "ClickHouse, µs", measured, lambda taken: f"{taken.insert_us:,.0f}")
    _row(table, "ClickHouse without our views, µs", measured, lambda taken: f"{taken.bare_insert_us:,.0f}")
    _row(table, "refresh, µs", measured, lambda taken: f"{taken.refresh_us:,.0f}")
    for name in measured[-1].disk_bytes:
        _row(table, f"{name}, bytes on disk", measured, lambda taken: f"{taken.disk_bytes.get(name, 0):,.1f}")  # noqa: B023 - called at once
    console.print(table)

    table = _table(f"{MACHINES:,} machines, {PER_SECOND:,} executions a second", columns)
    mb = PER_SECOND / 1e6
    _row(table, "spans a second", measured, lambda taken: f"{PER_SECOND * taken.spans:,}")
    _row(
        table, "from one machine, kB/s", measured, lambda taken: f"{taken.wire_bytes * PER_SECOND / MACHINES / 1e3:.1f}"
    )
    _row(table, "one machine's exporters, % of a core", measured,
         lambda taken: f"{taken.export_us * PER_SECOND / MACHINES / 1e4:.2f}")  # fmt: skip
    _row(table, "into the gateways, MB/s", measured, lambda taken: f"{taken.wire_bytes * mb:.1f}")
    _row(table, "into ClickHouse, MB/s", measured, lambda taken: f"{taken.insert_bytes * mb:.1f}")
    _row(table, f"cores of gateways, {USED:.0%} used", measured, lambda taken: f"{taken.collector_us * mb / USED:.1f}")
    _row(
        table,
        f"cores of ClickHouse for inserts, {USED:.0%} used",
        measured,
        lambda taken: f"{taken.insert_us * mb / USED:.1f}",
    )
    _row(table, f"cores of refresh, {USED:.0%} used", measured, lambda taken: f"{taken.refresh_us * mb / USED:.1f}")
    _row(
        table, "parts a minute of otel_traces", measured, lambda taken: f"{PER_SECOND * taken.spans / INSERT * 60:.0f}"
    )
    for name in measured[-1].disk_bytes:
        _row(table, f"{name}, TB a month", measured,
             lambda taken: f"{taken.disk_bytes.get(name, 0) * PER_SECOND * MONTH / 1e12:.2f}")  # noqa: B023 # fmt: skip
    console.print(table)


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _row(table: Table, name: str, measured: list[Taken], figure: Any) -> None:
    table.add_row(name, *map(figure, measured))
