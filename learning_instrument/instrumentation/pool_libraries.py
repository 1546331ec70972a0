"""The libraries whose pools people record: those that have an adapter, and others that are known."""

from collections.abc import Collection, Iterator
from typing import Final

from .adapters import EXECUTORS, MODULES, adapter_of
from .targets import is_installed, package_of

#: Libraries without an adapter: name of the distribution -> its module.
WITHOUT_ADAPTER: Final = {
    "agent-framework-core": "agent_framework",
    "aiomultiprocess": "aiomultiprocess",
    "apache-airflow": "airflow",
    "django-q2": "django_q",
    "luigi": "luigi",
    "procrastinate": "procrastinate",
    "ray": "ray",
    "temporalio": "temporalio",
}
#: Adapters of what comes with other packages: that it is there says nothing of an application's tasks.
_BELOW_OTHERS: Final = (*EXECUTORS, "anyio", "billiard", "gevent", "starlette", "trio")


def module_of(library: str) -> str:
    """Return the module that an application imports that uses *library*."""
    return WITHOUT_ADAPTER.get(library) or package_of(adapter_of(library))


def installed_libraries() -> Iterator[str]:
    """Yield the names of those that are installed in this environment; none is imported."""
    return (name for name in _names() if is_installed(name, module_of(name)))


def imported_libraries(modules: Collection[str]) -> Iterator[str]:
    """Yield the names of those that are among the imported *modules*."""
    return (name for name in _names() if module_of(name) in modules and is_installed(name, module_of(name)))


def _names() -> list[str]:
    return sorted({*WITHOUT_ADAPTER, *MODULES} - {*_BELOW_OTHERS})
