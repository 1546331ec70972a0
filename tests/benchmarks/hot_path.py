"""The cost of one call: bare, in a bare span, recorded by us, and traced by each peer that is installed.

Run as a module it measures one peer, in an environment that need not have ``learning_instrument``, and
prints the figures as JSON.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from .peers import PEERS, Peer
from .processes import run_module
from .spans import bare_method, bare_span, bare_span_and_insert, discarding_provider
from .timing import Block, Variant, interleave
from .workload import DiscardingExporter, pool_of, tasks

if TYPE_CHECKING:
    from learning_instrument import Budget

#: Long enough for the background writer to take part, short enough for the SDK's queue of 2,048 spans.
BLOCK_CALLS = 1000

OURS_BATCH = "learning_instrument, batch"
OURS_COMMIT = "learning_instrument, commit"
OURS_EXPORTED = "the same in batch, and exported as well"
OURS_BUDGET = "the same in batch, within a budget"
OURS_BATCH_METRICS = "batch with metrics"
OURS_COMMIT_METRICS = "commit with metrics"


@dataclass(frozen=True)
class Cost:
    """What one call costs in microseconds, and how often that is what a bare span costs."""

    name: str
    microseconds: Block
    ratios: Block


@dataclass(frozen=True)
class Costs:
    """What a call costs, and how often ``commit`` is a bare span with a raw insert, measured next to each other."""

    costs: list[Cost]
    commit_per_insert: Block


def measure(rounds: int) -> Costs:
    """Measure ourselves and the peers that are installed here."""
    from learning_instrument import Budget

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # As configure() sets it up: the span goes into SQLite and nowhere else.
        batch = _ours(folder, "batch", OURS_BATCH, TracerProvider())
        commit = _ours(folder, "commit", OURS_COMMIT, TracerProvider())
        exported = _ours(folder, "batch", OURS_EXPORTED, discarding_provider())
        budget = _ours(folder, "batch", OURS_BUDGET, TracerProvider(), Budget(usd=1e6, per="month"))
        commit.call(tasks(1)[0])
        inserts = [bare_span_and_insert(folder / "commit.db", folder / f"raw{n}.db", BLOCK_CALLS) for n in range(2)]
        measured = [
            _ours(folder, durability, name, TracerProvider(), meter_provider=MeterProvider([InMemoryMetricReader()]))
            for durability, name in (("batch", OURS_BATCH_METRICS), ("commit", OURS_COMMIT_METRICS))
        ]
        variants = [
            bare_method(), bare_span(), batch, exported, budget, measured[0], inserts[0], commit, measured[1],
        ]  # fmt: skip
        costs = _costs(variants, [peer for peer in PEERS if peer.is_installed], rounds)
        pair = interleave([commit], inserts[1], tasks(BLOCK_CALLS), rounds)
    return Costs(costs, pair[OURS_COMMIT].ratios())


def measure_peer(peer: Peer, rounds: int) -> list[Cost]:
    """Measure one peer beside a bare span."""
    return _costs([bare_span()], [peer], rounds)


def measure_elsewhere(python: Path, peer: Peer, rounds: int) -> list[Cost]:
    """Measure one peer in another environment, that of the interpreter *python*."""
    costs = run_module(python, __name__, peer.name, str(rounds))
    return [Cost(cost["name"], Block(*cost["microseconds"]), Block(*cost["ratios"])) for cost in costs]


def _costs(variants: list[Variant], peers: Sequence[Peer], rounds: int) -> list[Cost]:
    exporters = [DiscardingExporter() for _ in peers]
    variants += [peer.setup(exporter) for peer, exporter in zip(peers, exporters, strict=True)]
    timings = interleave(variants, bare_span(), tasks(BLOCK_CALLS), rounds)
    for peer, exporter in zip(peers, exporters, strict=True):
        if exporter.received < rounds * BLOCK_CALLS:
            raise RuntimeError(f"{peer.name} recorded {exporter.received} spans of {rounds * BLOCK_CALLS}.")
    return [
        Cost(name, Block(*[nanoseconds / 1e3 for nanoseconds in timing.typical()]), timing.ratios())
        for name, timing in timings.items()
    ]


def _ours(
    folder: Path,
    durability: str,
    name: str,
    provider: TracerProvider,
    budget: "Budget | None" = None,
    meter_provider: MeterProvider | None = None,
) -> Variant:
    from learning_instrument import LearningDatabase, record_execution

    path = folder / (f"{durability}.db" if name in (OURS_BATCH, OURS_COMMIT) else f"{name.replace(' ', '_')}.db")
    database = LearningDatabase(path, durability=durability)
    meters = meter_provider or NoOpMeterProvider()
    pool = pool_of(
        record_execution(learning_db=database, tracer_provider=provider, meter_provider=meters, budget=budget)
    )

    def drain() -> None:
        is_written = database.flush(60)
        provider.force_flush()
        if meter_provider is not None:
            meter_provider.force_flush()  # collects
        if not is_written or database.statistics().lost:
            raise RuntimeError(f"Executions are missing: {database.statistics()}")

    return Variant(name, pool.execute_task, drain)


if __name__ == "__main__":
    (wanted,) = [peer for peer in PEERS if peer.name == sys.argv[1]]
    print(json.dumps([asdict(cost) for cost in measure_peer(wanted, int(sys.argv[2]))]))
