"""Invalid variables: ours, and those for which OpenTelemetry raises an error, are ignored with a warning.

An application must not fail to start for a variable of its telemetry.
"""

import logging
import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import Final, TypeVar

from .guards import warn

T = TypeVar("T")
log = logging.getLogger(__name__)

PROPAGATORS: Final = "OTEL_PROPAGATORS"
TRACER_PROVIDER: Final = "OTEL_PYTHON_TRACER_PROVIDER"
METER_PROVIDER: Final = "OTEL_PYTHON_METER_PROVIDER"
_NAME: Final = re.compile(r"\bOTEL_[A-Z_]+")
#: The variables that OpenTelemetry reads while it is imported, and the module that does.
_READ_BY_IMPORTS: Final = ((re.compile(PROPAGATORS), "opentelemetry.propagate"),
                           (re.compile("OTEL_.*_LIMIT"), "opentelemetry.sdk.trace"))  # fmt: skip

#: The invalid variables found so far, and their values.
ignored: Final[dict[str, str]] = {}


def ignoring_invalid(read: Callable[[], T], *suspects: str) -> T:
    """Return the result of *read*, which reads variables; those it refuses are unset while it is repeated.

    Args:
        read: calls OpenTelemetry.
        suspects: the variables that its error does not name.

    Raises:
        Exception: that of *read*, where none of the variables is set.
    """
    unset: dict[str, str] = {}
    try:
        while True:
            try:
                return read()
            except (MemoryError, RecursionError):  # no variable's fault; unset ones might not come back
                raise
            except Exception as error:
                names = _NAME.findall(str(error)) or suspects
                invalid = {name: os.environ.pop(name) for name in names if name in os.environ}
                if not invalid:
                    raise
                unset |= invalid
                for name, value in invalid.items():
                    _warn(name, value, error)
    finally:
        os.environ.update(unset)


def import_opentelemetry() -> None:
    """Import the modules of OpenTelemetry whose import fails for an invalid variable, where one of those is set."""
    for pattern, module in _READ_BY_IMPORTS:
        names = [name for name in os.environ if pattern.fullmatch(name)]
        if names:
            ignoring_invalid(lambda module=module: import_module(module), *names)  # type: ignore[misc]


def value_of(name: str, parse: Callable[[str], T], default: T) -> T:
    """Return what *parse* makes of the variable *name*; *default* where that is not set, or invalid: a ValueError."""
    text = os.environ.get(name)
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as error:
        _warn(name, text, error)
        return default


def _warn(name: str, value: str, error: Exception) -> None:
    if ignored.get(name) != value:
        warn(log, "Invalid %s=%s is ignored: %s.", name, value, str(error).rstrip(".") or "no such entry point")
        ignored[name] = value
