"""The adapters that there are, and whose library is installed."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

from ..adapters import Adapter
from ..errors import ConfigurationError
from .adapters import EXECUTORS, MODULES, adapter_of, declared_adapter
from .targets import declared_adapters, is_installed, package_of


@dataclass(frozen=True, slots=True)
class ListedAdapter:
    """An adapter."""

    name: str
    #: The version of its library, ``"installed"`` where that is not known, or None: it is not installed, or invalid.
    installed: str | None
    #: What it records, or what is wrong with it.
    records: str


def listed_adapters() -> Iterator[ListedAdapter]:
    """Yield our adapters and those of installed packages; no library is imported."""
    ours = [(name, adapter_of(name)) for name in MODULES]
    distributions = packages_distributions()
    for name, adapter in [*ours, *((name, _declared(module)) for name, module in declared_adapters().items())]:
        if isinstance(adapter, ConfigurationError):
            yield ListedAdapter(name, None, str(adapter))
        elif name in EXECUTORS:
            yield ListedAdapter(name, "with Python", adapter.records)
        else:
            is_here = is_installed(name, package_of(adapter))
            # ``pydantic-ai`` may be ``pydantic-ai-slim``.
            by_module = distributions.get(package_of(adapter).partition(".")[0], ())
            installed = version(by_module[0]) if by_module else "installed"
            yield ListedAdapter(name, installed if is_here else None, adapter.records)


def _declared(module: str) -> Adapter | ConfigurationError:
    try:
        return declared_adapter(module)
    except ConfigurationError as error:  # of one package: the others are listed
        return error
