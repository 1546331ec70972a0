"""Checks the host's providers, and gets our tracer from them."""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from ..errors import ConfigurationError
from ..safety.variables import METER_PROVIDER, TRACER_PROVIDER, ignored, ignoring_invalid
from ..semconv import SCOPE_NAME
from ..version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider


_UNKNOWN: Final[Any] = object()


def check_providers(tracer_provider: Any, meter_provider: Any) -> None:
    """Check providers where the user passes them: in a task an invalid one would only be logged.

    Raises:
        ConfigurationError: for an object that is not a provider of tracers or meters.
    """
    for name, provider, method in (
        ("tracer_provider", tracer_provider, "get_tracer"),
        ("meter_provider", meter_provider, "get_meter"),
    ):
        if provider is not None and (isinstance(provider, type) or not callable(getattr(provider, method, None))):
            raise ConfigurationError(
                f"Invalid {name} {provider!r}: expected a provider with {method}(), such as the SDK's, or None."
            )


def is_disabled() -> bool:
    """Tell whether ``OTEL_SDK_DISABLED`` turns recording off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def tracer_of(tracer_provider: TracerProvider | None) -> Tracer:
    """Return our tracer of *tracer_provider*, or of the global one, which may be set later."""
    provider = global_tracer_provider() if tracer_provider is None else tracer_provider
    # A tracer of the SDK measures itself, by the global meter provider.
    return ignoring_invalid(lambda: trace.get_tracer(SCOPE_NAME, __version__, provider), METER_PROVIDER)


def global_tracer_provider() -> TracerProvider:
    """Return the global tracer provider; a proxy as long as there is none."""
    return ignoring_invalid(trace.get_tracer_provider, TRACER_PROVIDER)


def present_tracer_provider() -> TracerProvider | None:
    """Return the global tracer provider; None as long as there is none. For each execution without an SDK.

    The public function reads the environment each time; it was called when the tracer was asked for.
    """
    provider: TracerProvider | None = getattr(trace, "_TRACER_PROVIDER", _UNKNOWN)
    if provider is _UNKNOWN:  # another release of the API
        provider = global_tracer_provider()
        return None if isinstance(provider, trace.ProxyTracerProvider) else provider
    return provider


def global_meter_provider() -> "MeterProvider":
    """Return the global meter provider; a proxy as long as there is none."""
    from opentelemetry.metrics import get_meter_provider  # imported here: an application may use no metrics

    return ignoring_invalid(get_meter_provider, METER_PROVIDER)


def invalid_variables() -> Collection[str]:
    """Return the set variables that OpenTelemetry refuses, each after a warning."""
    from opentelemetry.sdk.trace import SpanLimits

    ignoring_invalid(SpanLimits)
    global_tracer_provider()
    global_meter_provider()
    return ignored
