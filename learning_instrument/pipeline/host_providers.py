"""Checks the host's providers, and gets our tracer from them."""

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from ..errors import ConfigurationError
from ..semconv import SCOPE_NAME
from ..version import __version__


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
    return trace.get_tracer(SCOPE_NAME, __version__, tracer_provider)
