"""The cost of one call: bare, in a bare span, recorded by us, and traced by each peer that is installed."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from learning_instrument import Budget

from . import otlp_sink, peers
from .instruments import bare_span_and_instruments
from .ours import attributes_of_ours, recorded
from .spans import BARE_SPAN, SPAN_AND_INSERT, bare_method, bare_span, bare_span_and_insert, provider_of
from .timing import BLOCK_CALLS, Spreads, Timings, Variant, interleave
from .workload import tasks

BATCH: Final = "learning_instrument, batch"
COMMIT: Final = "learning_instrument, commit"
METRICS: Final = "batch with metrics"
EXPORTED: Final = "batch with an OTLP exporter"
BUDGET: Final = "batch within a budget"
UNSAMPLED: Final = "batch at a sampler of 0%"
BARE_METRICS: Final = "bare SDK span + same instruments"
BARE_EXPORTED: Final = "bare SDK span + OTLP exporter"
BARE_ATTRIBUTES: Final = "bare SDK span + our attributes + OTLP"


@dataclass(frozen=True)
class Costs:
    """What a call costs, awaited in a running loop and plain; by name of the variant."""

    awaited: dict[str, Timings]
    plain: dict[str, Timings]

    def added(self) -> dict[str, Spreads]:
        """Return what each option adds to a call, less what its like adds to a bare span; in bare spans."""
        found = self.awaited
        batch, bare = found[BATCH], found[BARE_SPAN]
        added = {}
        for name, like in ((METRICS, BARE_METRICS), (EXPORTED, BARE_EXPORTED), (EXPORTED, BARE_ATTRIBUTES)):
            pairs = zip(found[name].beyond(batch), found[like].beyond(bare), strict=True)
            added[f"{name}, less {like}"] = Spreads.of(this.less(that) for this, that in pairs)
        return added | {name: Spreads.of(found[name].beyond(batch)) for name in (BUDGET, UNSAMPLED)}


def commit_per_insert(timings: dict[str, Timings]) -> Spreads:
    """Return how often a call in ``commit`` is a bare span with a raw insert."""
    return timings[COMMIT].over(timings[SPAN_AND_INSERT])


def measure(rounds: int) -> Costs:
    """Measure ourselves and the peers that are installed here."""
    with tempfile.TemporaryDirectory() as name, otlp_sink.serving() as address:
        folder = Path(name)
        exporters = [_CountingExporter(endpoint=address) for _ in range(3)]
        awaited = peers.measure(
            [
                *_stored(folder, is_async=True),
                bare_span_and_instruments(BARE_METRICS, _meter_provider()),
                recorded(METRICS, folder / "metrics.db", meter_provider=_meter_provider()),
                bare_span(BARE_EXPORTED, is_async=True, exporter=exporters[0]),
                bare_span(BARE_ATTRIBUTES, is_async=True, exporter=exporters[1], attributes=attributes_of_ours()),
                recorded(EXPORTED, folder / "exported.db", tracer_provider=provider_of(exporters[2])),
                recorded(BUDGET, folder / "budget.db", budget=Budget(usd=1e6, per="month")),
                recorded(UNSAMPLED, folder / "unsampled.db", tracer_provider=provider_of(sampler=ALWAYS_OFF)),
            ],
            [peer for peer in peers.PEERS if peer.is_installed],
            rounds,
        )
        if any(exporter.exported < rounds * BLOCK_CALLS for exporter in exporters):
            raise RuntimeError(f"Exported {[exporter.exported for exporter in exporters]} of {rounds * BLOCK_CALLS}.")
        plain = interleave(_stored(folder, is_async=False), bare_span(is_async=False), tasks(BLOCK_CALLS), rounds)
    return Costs(awaited, plain)


def _stored(folder: Path, *, is_async: bool) -> list[Variant]:
    """Return both durabilities, and what they are held against."""
    kind = "awaited" if is_async else "plain"
    commit = recorded(COMMIT, folder / f"{kind}_commit.db", "commit", is_async=is_async)
    commit.prepare()  # makes a row that the raw insert copies
    commit.settle()
    raw = folder / f"{kind}_raw.db"
    return [
        bare_method(is_async=is_async),
        bare_span(is_async=is_async),
        recorded(BATCH, folder / f"{kind}_batch.db", is_async=is_async),
        bare_span_and_insert(folder / f"{kind}_commit.db", raw, BLOCK_CALLS, is_async=is_async),
        commit,
    ]


def _meter_provider() -> MeterProvider:
    return MeterProvider([InMemoryMetricReader()])


class _CountingExporter(OTLPSpanExporter):
    """Counts the spans that the collector has taken."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export them, and count them."""
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        return result
