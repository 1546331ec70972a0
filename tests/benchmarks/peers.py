"""The other tracing libraries: how each is set up without a network, and what it needs to be installed.

Run as a module it measures one of them, in an environment that need not have ``learning_instrument``, and prints the
figures as JSON.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from ..environments import python_of
from .processes import run_module
from .spans import bare_span
from .timing import BLOCK_CALLS, Block, Timings, Variant, interleave
from .workload import Decorator, DiscardingExporter, pool_of, tasks

#: An address without a server.
NOWHERE: Final = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Peer:
    """A library that traces functions. What it captures of arguments and results is what it does by default."""

    name: str
    module: str
    setup: Callable[[SpanExporter], Variant]
    requirements: tuple[str, ...]
    #: Installed without what they depend on.
    requirements_alone: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Tell whether it can be imported here."""
        try:
            return find_spec(self.module) is not None
        except ModuleNotFoundError:  # its parent package
            return False


def _of(name: str, decorate: Decorator, drain: Callable[[], object]) -> Variant:
    return Variant(name, pool_of(decorate, is_async=True).execute_task, drain, is_async=True)


def _logfire(exporter: SpanExporter) -> Variant:
    logfire: Any = import_module("logfire")
    processor = BatchSpanProcessor(exporter)
    instance = logfire.configure(
        local=True, send_to_logfire=False, console=False, additional_span_processors=[processor]
    )
    return _of("logfire", instance.instrument("execute_task"), processor.force_flush)


def _openinference(exporter: SpanExporter) -> Variant:
    instrumentation: Any = import_module("openinference.instrumentation")
    provider = instrumentation.TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return _of("OpenInference", provider.get_tracer("benchmark").chain, provider.force_flush)


def _traceloop(exporter: SpanExporter) -> Variant:
    os.environ["TRACELOOP_TELEMETRY"] = "false"
    traceloop: Any = import_module("traceloop.sdk")
    task = import_module("traceloop.sdk.decorators").task
    processor = BatchSpanProcessor(exporter)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a greeting
        traceloop.Traceloop.init(app_name="benchmark", processor=processor, instruments=set(), telemetry_enabled=False)
    return _of("Traceloop", task(name="execute_task"), processor.force_flush)


def _langfuse(exporter: SpanExporter) -> Variant:
    langfuse: Any = import_module("langfuse")
    provider = TracerProvider()
    langfuse.Langfuse(public_key="none", secret_key="none", span_exporter=exporter, tracer_provider=provider)
    return _of("Langfuse", langfuse.observe(), provider.force_flush)


def _mlflow(exporter: SpanExporter) -> Variant:
    # Its way to a collector, with our exporter at the end of it: its own store would need a server.
    os.environ |= {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NOWHERE, "MLFLOW_DISABLE_TELEMETRY": "true"}
    mlflow: Any = import_module("mlflow")
    provider: Any = import_module("mlflow.tracing.provider")
    provider.get_otlp_exporter = lambda: exporter
    mlflow.set_tracking_uri(NOWHERE)
    tracer_provider = mlflow.tracing.get_bridged_tracer_provider()
    del os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    return _of("MLflow", mlflow.trace, tracer_provider.force_flush)


PEERS = (
    Peer("logfire", "logfire", _logfire, ("logfire>=4",)),
    Peer("OpenInference", "openinference.instrumentation", _openinference, ("openinference-instrumentation>=0.1.40",)),
    # Its forty instrumentations of model clients pin each other to old releases, and none of them is used here.
    Peer(
        "Traceloop",
        "traceloop.sdk",
        _traceloop,
        (
            "opentelemetry-exporter-otlp-proto-grpc>=1.38",
            "opentelemetry-exporter-otlp-proto-http>=1.38",
            "opentelemetry-instrumentation>=0.59b0",
            "opentelemetry-semantic-conventions-ai>=0.5.1,<0.6",
            "aiohttp",
            "colorama",
            "cuid",
            "deprecated<2",
            "httpx",
            "jinja2",
            "pydantic",
            "tenacity",
        ),
        (
            "opentelemetry-instrumentation-logging>=0.59b0",
            "opentelemetry-instrumentation-threading>=0.59b0",
            "traceloop-sdk>=0.60",
        ),
    ),
    Peer("Langfuse", "langfuse", _langfuse, ("langfuse>=4",)),
    Peer("MLflow", "mlflow", _mlflow, ("mlflow-tracing>=3",)),
)


def measure(variants: Sequence[Variant], peers: Sequence[Peer], rounds: int) -> dict[str, Timings]:
    """Measure *variants* and *peers*, in turn."""
    exporters = [DiscardingExporter() for _ in peers]
    theirs = [peer.setup(exporter) for peer, exporter in zip(peers, exporters, strict=True)]
    timings = interleave([*variants, *theirs], bare_span(is_async=True), tasks(BLOCK_CALLS), rounds)
    for peer, exporter in zip(peers, exporters, strict=True):
        if exporter.received < rounds * BLOCK_CALLS:
            raise RuntimeError(f"{peer.name} recorded {exporter.received} spans of {rounds * BLOCK_CALLS}.")
    return timings


def measure_elsewhere(peer: Peer, rounds: int) -> dict[str, Timings]:
    """Measure one peer beside a bare span, in an environment made for it.

    Raises:
        subprocess.CalledProcessError: if it cannot be installed or measured.
    """
    requirements = ["opentelemetry-sdk>=1.40", *peer.requirements]
    python = python_of("benchmarks", peer.name.lower(), requirements, peer.requirements_alone)
    measured = run_module(python, __name__, peer.name, str(rounds))
    return {
        name: Timings(*([Block(*block) for block in timings[part]] for part in ("blocks", "pace")))
        for name, timings in measured.items()
    }


if __name__ == "__main__":
    (wanted,) = [peer for peer in PEERS if peer.name == sys.argv[1]]
    found = measure([bare_span(is_async=True)], [wanted], int(sys.argv[2]))
    print(json.dumps({name: asdict(timings) for name, timings in found.items()}))
