"""The adapters that there are, and whose library is installed."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

from .adapters import EXECUTORS, MODULES, adapter_of, declared_adapter
from .targets import declared_adapters, is_installed, package_of


@dataclass(frozen=True, slots=True)
class ListedAdapter:
    """An adapter."""

    name: str
    #: The version of its library, ``"installed"`` where that is not known, or None: it is not installed.
    installed: str | None
    records: str


def listed_adapters() -> Iterator[ListedAdapter]:
    """Yield our adapters and those of installed packages; no library is imported.

    Raises:
        ConfigurationError: if a package declares an invalid one.
    """
    ours = [(name, adapter_of(name)) for name in MODULES]
    distributions = packages_distributions()
    for name, adapter in [*ours, *((name, declared_adapter(module)) for name, module in declared_adapters().items())]:
        if name in EXECUTORS:
            yield ListedAdapter(name, "with Python", adapter.records)
        else:
            is_here = is_installed(name, package_of(adapter))
            # ``pydantic-ai`` may be ``pydantic-ai-slim``.
            by_module = distributions.get(package_of(adapter).partition(".")[0], ())
            installed = version(by_module[0]) if by_module else "installed"
            yield ListedAdapter(name, installed if is_here else None, adapter.records)
