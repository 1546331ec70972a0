"""The other tracing libraries: how each is set up without a network, and what it needs to be installed."""

import contextlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from .timing import Variant
from .workload import pool_of

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


def _logfire(exporter: SpanExporter) -> Variant:
    logfire: Any = import_module("logfire")
    processor = BatchSpanProcessor(exporter)
    instance = logfire.configure(
        local=True, send_to_logfire=False, console=False, additional_span_processors=[processor]
    )
    return Variant("logfire", pool_of(instance.instrument("execute_task")).execute_task, processor.force_flush)


def _openinference(exporter: SpanExporter) -> Variant:
    instrumentation: Any = import_module("openinference.instrumentation")
    provider = instrumentation.TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Variant("OpenInference", pool_of(provider.get_tracer("benchmark").chain).execute_task, provider.force_flush)


def _traceloop(exporter: SpanExporter) -> Variant:
    os.environ["TRACELOOP_TELEMETRY"] = "false"
    traceloop: Any = import_module("traceloop.sdk")
    task = import_module("traceloop.sdk.decorators").task
    processor = BatchSpanProcessor(exporter)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a greeting
        traceloop.Traceloop.init(app_name="benchmark", processor=processor, instruments=set(), telemetry_enabled=False)
    return Variant("Traceloop", pool_of(task(name="execute_task")).execute_task, processor.force_flush)


def _langfuse(exporter: SpanExporter) -> Variant:
    langfuse: Any = import_module("langfuse")
    provider = TracerProvider()
    langfuse.Langfuse(public_key="none", secret_key="none", span_exporter=exporter, tracer_provider=provider)
    return Variant("Langfuse", pool_of(langfuse.observe()).execute_task, provider.force_flush)


def _mlflow(exporter: SpanExporter) -> Variant:
    # Its way to a collector, with our exporter at the end of it: its own store would need a server.
    os.environ |= {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NOWHERE, "MLFLOW_DISABLE_TELEMETRY": "true"}
    mlflow: Any = import_module("mlflow")
    provider: Any = import_module("mlflow.tracing.provider")
    provider.get_otlp_exporter = lambda: exporter
    mlflow.set_tracking_uri(NOWHERE)
    tracer_provider = mlflow.tracing.get_bridged_tracer_provider()
    del os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    return Variant("MLflow", pool_of(mlflow.trace).execute_task, tracer_provider.force_flush)


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
