"""Host providers."""

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from ..errors import ConfigurationError
from ..semconv import SCOPE_NAME
from ..version import __version__


def check_providers(tracer_provider: Any, meter_provider: Any) -> None:
    """Refuse what is no provider here, where the user gives it: in a task it would only be a log message.

    Raises:
        ConfigurationError: for an object that makes no tracers, or no meters.
    """
    for name, provider, method in (
        ("tracer_provider", tracer_provider, "get_tracer"),
        ("meter_provider", meter_provider, "get_meter"),
    ):
        if provider is not None and (isinstance(provider, type) or not callable(getattr(provider, method, None))):
            raise ConfigurationError(
                f"{name}={provider!r} is no provider: it needs {method}(). Pass an SDK's, or None."
            )


def is_disabled() -> bool:
    """Tell whether ``OTEL_SDK_DISABLED`` turns recording off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def tracer_of(tracer_provider: TracerProvider | None) -> Tracer:
    """Return our tracer of *tracer_provider*, or of the global one, which may still be to come."""
    return trace.get_tracer(SCOPE_NAME, __version__, tracer_provider)
