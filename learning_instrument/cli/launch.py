"""``learning-instrument run``: the environment in which ``opentelemetry-instrument`` records a command.

Variables that are set stay. The others are chosen to work with this package alone, and with a distribution of
OpenTelemetry, whose defaults (``otlp`` for all three signals) stop all instrumentation where no OTLP exporter is
installed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .. import budgets
from ..errors import ConfigurationError
from ..pipeline import otlp
from ..pipeline.host_providers import invalid_variables
from ..pipeline.installed import RUN_VARIABLE
from ..sqlite.paths import absolute
from ..storage import retention

_ANY_PYTHON: Final = re.compile(r"(python(?:3)?)(?:\.exe)?")
_SOME_PYTHON: Final = re.compile(r"python[\d.]*(?:\.exe)?")
_HAS_US: Final = "import importlib.metadata; importlib.metadata.version('learning_instrument')"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that is ready to run."""

    command: tuple[str, ...]
    #: Variables to add to the environment.
    environment: Mapping[str, str]


def prepare(
    command: Sequence[str],
    database: str,
    pools: str | None = None,
    otlp_url: str | None = None,
    service_name: str | None = None,
    *,
    retention_days: str | None = None,
    max_size: str | None = None,
    budget: str | None = None,
) -> Launch:
    """Return the launch that runs *command* and records its executions.

    Args:
        command: a program and its arguments, or a Python script and its arguments.
        database: the path of the database.
        pools: targets, as in ``$LEARNING_INSTRUMENT_POOLS``; None leaves that as it is.
        otlp_url: the collector that gets the spans as well.
        service_name: the ``service.name`` of the spans; None leaves it as it is.
        retention_days: the age beyond which executions are deleted; this and the next leave the variable as it is
            where they are None.
        max_size: the size of the database beyond which the oldest executions are deleted.
        budget: the budgets of all executions.

    Raises:
        ConfigurationError: if there is no such command, no exporter for ``otlp_url`` is installed, or a limit is
            invalid.
    """
    retention.retention(None if retention_days is None else retention.days_in(retention_days), max_size)
    budgets.budgets_in(budget or "")
    options = {
        "LEARNING_INSTRUMENT_POOLS": pools,
        "OTEL_SERVICE_NAME": service_name,
        retention.DAYS_VARIABLE: retention_days,
        retention.SIZE_VARIABLE: max_size,
        budgets.VARIABLE: budget,
    }
    added = {"LEARNING_INSTRUMENT_DATABASE": absolute(database)}
    added |= {name: value for name, value in options.items() if value is not None}
    if otlp.has_configurator() and not os.environ.get("OTEL_CONFIG_FILE"):
        added |= _left_unset({f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")})
    if otlp_url is not None:
        added |= _exported_to(otlp_url)
    return Launch(tuple(_resolved(command)), added)


def start(launch: Launch) -> None:
    """Become the command: its signals and its exit code are its own.

    It starts without the variables that OpenTelemetry refuses, which would keep it from being recorded.
    """
    from opentelemetry.instrumentation import auto_instrumentation

    os.environ.update(launch.environment)
    os.environ[RUN_VARIABLE] = str(os.getpid())
    for name in invalid_variables():
        os.environ.pop(name, None)
    # Python ignores these signals, and an executed program inherits that.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    # After "--": otherwise an argument of the command that looks like one of their options is an error.
    sys.argv = ["opentelemetry-instrument", "--", *launch.command]
    auto_instrumentation.run()


def _left_unset(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not os.environ.get(name)}


def _exported_to(url: str) -> dict[str, str]:
    """Return the variables that send spans to *url*."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(
            f"Invalid --otlp {url!r}: expected the URL of a collector, such as http://localhost:4318."
        )
    if os.environ.get("OTEL_CONFIG_FILE"):
        raise ConfigurationError("--otlp has no effect beside OTEL_CONFIG_FILE; name the exporter in that file.")
    name = otlp.exporter_name(os.environ)
    if name is None:
        raise ConfigurationError(
            "--otlp needs an OTLP exporter, and none is installed for the protocol in use;"
            " run: pip install 'learning_instrument[otlp]'."
        )
    endpoint = url.rstrip("/")
    if name == otlp.HTTP and not endpoint.endswith("/v1/traces"):
        endpoint += "/v1/traces"
    # The protocol as well, for a distribution would have its own default.
    added = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": otlp.PROTOCOLS[name]}
    if otlp.has_configurator():
        others = [other.strip() for other in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")]
        kept = [other for other in others if other and other != "none" and not other.startswith("otlp")]
        added["OTEL_TRACES_EXPORTER"] = ",".join([*kept, name])
    else:
        added[otlp.SWITCH] = "true"
    return added


def _resolved(command: Sequence[str]) -> list[str]:
    """Return *command* with the path of its program, and an interpreter before a script."""
    name, *rest = command
    if name.endswith((".py", ".pyw")):
        if not os.path.isfile(name):
            raise ConfigurationError(f"No script {name!r} in {os.getcwd()}: check the path.")
        return [sys.executable, name, *rest]
    beside_us = os.path.dirname(sys.executable)
    found = shutil.which(name) or shutil.which(name, path=beside_us)
    if _ANY_PYTHON.fullmatch(name) and (found is None or not _has_this_package(found)):
        return [sys.executable, *rest]  # ours, though its environment is not the active one
    if found is None:
        raise ConfigurationError(f"Command {name!r} not found: check its spelling and your PATH.")
    if _SOME_PYTHON.fullmatch(os.path.basename(name)) and not _has_this_package(found):
        raise ConfigurationError(
            f"{found} has no learning_instrument installed, so nothing would be recorded: install it there,"
            f" or use {sys.executable}."
        )
    return [found, *rest]


def _has_this_package(python: str) -> bool:
    if os.path.dirname(os.path.abspath(python)) == os.path.dirname(os.path.abspath(sys.executable)):
        return True
    try:
        return subprocess.run([python, "-c", _HAS_US], capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False
