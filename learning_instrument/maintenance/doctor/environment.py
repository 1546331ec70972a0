"""Checks of the installation and the environment."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

from ... import budgets
from ...errors import ConfigurationError
from ...instrumentation.pool_libraries import WITHOUT_ADAPTER, installed_libraries
from ...instrumentation.targets import ADAPTERS_BY_DEFAULT, AUTO, declared_targets
from ...pipeline import otlp
from ...storage import retention
from .finding import Finding, Severity

_OURS: Final = {
    "opentelemetry_instrumentor": "learning_instrument",
    "opentelemetry_traces_exporter": "learning_sqlite",
}
_SIGNALS: Final = ("traces", "metrics", "logs")
_SAMPLERS_OF_ALL: Final = ("", "always_on", "parentbased_always_on")


def examine_environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about the installation and the variables of *environment*."""
    for check in (_entry_points, _exporters, _provider, _disabled, _sampler, _durability, _limits, _duplicates, _pools):
        yield from check(environment)


def _entry_points(environment: Mapping[str, str]) -> Iterator[Finding]:
    for group, name in _OURS.items():
        if not entry_points(group=group, name=name):
            yield Finding(
                "entry points",
                Severity.ERROR,
                f"The entry point {name} of the group {group} is not installed, so opentelemetry-instrument does not"
                " load it.",
                "Install the package (pip install learning_instrument) rather than running it from a source tree.",
            )


def _exporters(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Find missing exporters: a distribution then stops all instrumentation."""
    if not otlp.has_configurator() or environment.get("OTEL_CONFIG_FILE"):
        return
    for signal in _SIGNALS:
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        chosen = environment.get(variable)
        names = "otlp" if chosen is None and entry_points(group="opentelemetry_distro") else chosen or "none"
        missing = [] if names.strip().lower() == "none" else _not_installed(names, signal)
        if missing:
            origin = variable if chosen is not None else f"The default of {variable}"
            yield Finding(
                "exporters",
                Severity.ERROR,
                f"{origin} names {', '.join(map(repr, missing))}, which is not installed: all instrumentation"
                " by opentelemetry-instrument fails.",
                f"Install it, or set {variable}={'learning_sqlite' if signal == 'traces' else 'none'};"
                " learning-instrument run does that for you.",
            )


def _not_installed(names: str, signal: str) -> list[str]:
    installed = {entry.name for entry in entry_points(group=f"opentelemetry_{signal}_exporter")}
    wanted = (name.strip() for name in names.split(","))
    return [name for name in wanted if not ({name, *_STANDS_FOR.get(name, ())} & installed)]


#: A name that the SDK takes for another, by the protocol.
_STANDS_FOR: Final = {"otlp": ("otlp_proto_grpc", "otlp_proto_http")}


def _provider(environment: Mapping[str, str]) -> Iterator[Finding]:
    if not otlp.has_configurator():
        yield Finding(
            "provider",
            Severity.NOTE,
            "No distribution of OpenTelemetry is installed: unless the application sets up a tracer provider,"
            " executions are recorded, but spans reach no collector.",
            "To send spans to a collector: learning-instrument run --otlp URL, or a provider of the application's own.",
        )


def _disabled(environment: Mapping[str, str]) -> Iterator[Finding]:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(
            "disabled", Severity.ERROR, "OTEL_SDK_DISABLED=true turns recording off.", "Unset OTEL_SDK_DISABLED."
        )
    names = {name.strip() for name in environment.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    if names & {"learning_instrument", "*"}:
        yield Finding(
            "disabled",
            Severity.ERROR,
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS keeps opentelemetry-instrument from finding pools.",
            "Take learning_instrument (or *) out of it.",
        )


def _sampler(environment: Mapping[str, str]) -> Iterator[Finding]:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip()
    if sampler not in _SAMPLERS_OF_ALL:
        yield Finding(
            "sampler",
            Severity.NOTE,
            f"OTEL_TRACES_SAMPLER={sampler} leaves traces out. Every execution is recorded all the same, but in those"
            " traces there are no model calls to see: tokens and costs stay empty where results do not report them.",
            "Have results report tokens and cost, or sample at the collector instead.",
        )


def _durability(environment: Mapping[str, str]) -> Iterator[Finding]:
    durability = environment.get("LEARNING_INSTRUMENT_DURABILITY")
    if durability and durability not in ("commit", "batch"):
        yield Finding(
            "durability",
            Severity.ERROR,
            f"LEARNING_INSTRUMENT_DURABILITY={durability} is invalid, and ignored: expected commit or batch.",
            "Set it to commit or batch, or unset it.",
        )


#: Variable -> what parses it.
_LIMITS: Final[Mapping[str, Callable[[str], object]]] = {
    retention.DAYS_VARIABLE: retention.days_in,
    retention.SIZE_VARIABLE: retention.size_in_bytes,
    budgets.VARIABLE: budgets.budgets_in,
}


def _limits(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, parse in _LIMITS.items():
        try:
            if environment.get(name):
                parse(environment[name])
        except ConfigurationError as error:
            yield Finding(
                "limits",
                Severity.ERROR,
                f"{name} is invalid, and ignored. {error}",
                f"Correct {name}, or unset it.",
            )


def _duplicates(environment: Mapping[str, str]) -> Iterator[Finding]:
    counts = Counter(entry.name for entry in entry_points(group="opentelemetry_instrumentor"))
    for name in sorted(name for name, count in counts.items() if count > 1):
        yield Finding(
            "duplicate instrumentation",
            Severity.WARNING,
            f"Several installed packages instrument {name}, so its calls may be recorded twice.",
            f"Uninstall all but one of them, or set OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={name}.",
        )


def _pools(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Find libraries with pools whose tasks are not recorded by themselves."""
    installed = list(installed_libraries())
    targets = [target.lower().replace("_", "-") for target in declared_targets(environment)]
    named = installed if AUTO in targets else [*ADAPTERS_BY_DEFAULT, *targets]
    if without := [name for name in installed if name in WITHOUT_ADAPTER]:
        yield Finding(
            "pools",
            Severity.NOTE,
            f"No adapter covers {', '.join(without)}, installed here: their tasks are not recorded by themselves.",
            "If the application uses one, name what runs its tasks, as package.module:Class.method in"
            " LEARNING_INSTRUMENT_POOLS, or decorate it.",
        )
    if unnamed := [name for name in installed if name not in WITHOUT_ADAPTER and name not in named]:
        yield Finding(
            "pools",
            Severity.NOTE,
            f"{', '.join(unnamed)}, installed here, {'has an adapter' if len(unnamed) == 1 else 'have adapters'} that"
            " LEARNING_INSTRUMENT_POOLS does not name.",
            "If the application uses it, and does not instrument it itself:"
            f" LEARNING_INSTRUMENT_POOLS={','.join(unnamed)}.",
        )
