"""The OTLP exporter of ``learning-instrument run --otlp``, for applications without a configured SDK.

The configurator of ``opentelemetry-distro`` builds the exporters that ``OTEL_TRACES_EXPORTER`` names. Without it the
instrumentor builds this one, if a variable is set that only ``run`` sets.
"""

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

#: Set to ``true`` by ``run --otlp`` where no configurator is installed.
SWITCH: Final = "LEARNING_INSTRUMENT_OTLP"

_GROUP: Final = "opentelemetry_traces_exporter"
HTTP: Final = "otlp_proto_http"
GRPC: Final = "otlp_proto_grpc"
PROTOCOLS: Final = {HTTP: "http/protobuf", GRPC: "grpc"}


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether ``run --otlp`` asks for this exporter."""
    return environment.get(SWITCH) == "true"


def has_configurator() -> bool:
    """Tell whether a distribution of OpenTelemetry will set up an SDK."""
    return bool(entry_points(group="opentelemetry_configurator"))


def exporter_name(environment: Mapping[str, str]) -> str | None:
    """Return the name of the installed exporter for the protocol of the environment, or None.

    Without a protocol in the environment, HTTP takes precedence over gRPC.
    """
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    installed = {entry.name for entry in entry_points(group=_GROUP)}
    fitting = [name for name in PROTOCOLS if not protocol or PROTOCOLS[name] == protocol.strip()]
    return next((name for name in fitting if name in installed), None)


def exporter() -> Any:
    """Return a new exporter, which reads OpenTelemetry's variables; None where it is not installed."""
    name = exporter_name(os.environ)
    found = next(iter(entry_points(group=_GROUP, name=name)), None) if name else None
    return None if found is None else found.load()()
