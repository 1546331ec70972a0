"""The same executions in a file and in a fleet, by the ways that they go there."""

import contextlib
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import clickhouse_connect
from collector import Rotel
from freezegun import freeze_time
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.fleet import push, schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.refresh import refresh
from learning_instrument.safety.clocks import Clocks

from .application import run
from .clickhouse_http import ClickHouseHTTP
from .otel_traces import create, insert

Through = Literal["map", "json", "rotel"]

#: Where rotel (0.0.1a15) cuts a request in two to fill a batch, the second part has lost its resource.
_UNCUT: Final = {"ROTEL_BATCH_MAX_SIZE": "1000000"}


class Both(NamedTuple):
    """A file and a fleet."""

    file: str
    address: str
    executions: int
    spans: int
    #: What was done -> how long it took.
    seconds: dict[str, float]


def make(
    folder: Path,
    engine: Path,
    executions: int,
    end: datetime,
    *,
    through: Through = "map",
    days: int = 45,
    seed: int = 1,
) -> Both:
    """Run the application, store what it recorded in a file, and deliver its spans to a fleet in this process.

    Each request is delivered twice, and the fleet is refreshed in between: a model call that ends late comes in a later
    batch than its execution. Feedback is given on both sides. Then the file is pushed, as some do who have a collector,
    too: what the fleet lacks is executions that were lost, which have no span.

    Args:
        folder: for the file.
        engine: the folder of ClickHouse's data, of which a process has one.
        executions: about how many.
        end: the time at which the application is over.
        through: how spans get into ClickHouse: by the collector rotel, or as the Collector's exporter would put them,
            whose attributes are maps or JSON.
        days: how long it runs.
        seed: what the executions are drawn from.
    """
    file, database = folder / f"{through}.db", f"fleet_{through}"
    address = f"chdb://{engine}?database={database}"
    seconds: dict[str, float] = defaultdict(float)
    with _timed(seconds, "application, recording, and all of the file"):
        ran = run(file, executions, end, days=days, seed=seed)
    with clickhouse_connect.get_client(interface="chdb", path=str(engine)) as client:
        client.command(f"CREATE DATABASE {database}")
    with (
        clickhouse_connect.get_client(interface="chdb", path=str(engine), database=database) as collector,
        connect(Address.parse(address)) as fleet,
    ):
        create(collector, "json" if through == "json" else "map")
        schema.init(fleet)
        for part in _parts(ran.requests):
            with _timed(seconds, "delivery"):
                _deliver(collector, part, through, folder)
            with _timed(seconds, "refresh"):
                refresh(fleet, 0)
        for judged in (LearningDatabase(file), FleetDatabase(address)):
            with freeze_time(end), judged, _timed(seconds, f"feedback by {type(judged).__name__}"):
                for execution_id, said in ran.feedback.items():
                    judged.add_feedback(execution_id, **said)
        with LearningDatabase(file) as recorded:
            recorded.append(_lost(max(3, executions // 100), end))
        with _timed(seconds, "push"):
            pushed = push(address, file)
        assert (pushed.sent, pushed.model_calls, pushed.feedback) == (max(3, executions // 100), 0, 0)
        with _timed(seconds, "refresh"):
            refresh(fleet, 0)
        spans = _count(collector)
    return Both(str(file), address, ran.executions + pushed.sent, spans, seconds)


def _lost(number: int, end: datetime) -> list[ExecutionRecord]:
    """Return executions whose machine ended before they did, stored last."""
    return [
        ExecutionRecord(
            task_id=f"lost-{n}",
            task_type=("bug_fix", "review")[n % 2],
            task_description=f"Fix what was lost in part {n % 5}",
            timestamp=end - timedelta(minutes=5) + timedelta(milliseconds=n),
            model_tier=("small", "large")[n % 2],
            pool_type="agents",
            outcome="lost",
            duration_seconds=60.0 + n,
            error_message=f"Process {4000 + n} on machine-{n % 3} ended before its task did.",
        )
        for n in range(number)
    ]


@contextlib.contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    began = Clocks.perf_counter()
    yield
    seconds[what] += Clocks.perf_counter() - began


def _parts(requests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield requests as they arrive before each refresh: each twice, the second time in another order."""
    middle = len(requests) // 2
    first, last = requests[:middle], requests[middle:]
    yield first
    yield [*last, *reversed(first)]
    yield last


def _deliver(client: Any, requests: Sequence[bytes], through: Through, folder: Path) -> None:
    if through != "rotel":
        insert(client, requests, through)
        return
    expected = _count(client) + sum(map(_spans_in, requests))
    front = ClickHouseHTTP(client)
    with front, Rotel(front.exporter("map") | _UNCUT, folder / "rotel.log") as rotel:
        url = f"{rotel.endpoints['http/protobuf']}/v1/traces"
        for body in requests:
            posted = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"}, method="POST")
            urllib.request.urlopen(posted, timeout=60).close()
        while _count(client) < expected:
            assert not front.faults, front.faults
            time.sleep(0.2)
        rotel.stop()
    assert _count(client) >= expected  # what rotel sends again may come twice


def _count(client: Any) -> int:
    return int(client.query("SELECT count() FROM otel_traces").result_rows[0][0])


def _spans_in(body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
