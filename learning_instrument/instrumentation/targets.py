"""Targets: parses the names of pools to instrument, and collects them from environment and entry points."""

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final

from ..adapters import Adapter
from ..errors import ConfigurationError
from .adapters import EXECUTORS, MODULES, adapter_of, declared_adapter

ENTRY_POINT_GROUP: Final = "learning_instrument_pools"
#: Stands for all adapters whose library is installed.
AUTO: Final = "auto"
#: Adapters that are on without being named: they record pools of tasks and nothing else.
ADAPTERS_BY_DEFAULT: Final = ("mahavishnu",)
#: Functions of libraries that return where their task failed, so that failures would be recorded as successes -> the
#: adapter that records the task itself.
SWALLOWING: Final = {
    "apscheduler.executors.base:run_job": "apscheduler",
    "arq.worker:Worker.run_job": "arq",
    "billiard.pool:Pool.apply_async": "billiard",
    "distributed.worker:_run_task_simple": "dask",
    "django.tasks.backends.immediate:ImmediateBackend._execute_task": "django-tasks",
    "django_tasks.backends.immediate:ImmediateBackend._execute_task": "django-tasks",
    "huey.api:Huey._execute": "huey",
    "procrastinate.worker:Worker._process_job": "procrastinate.tasks:Task.__call__",
    "taskiq.receiver:Receiver.run_task": "taskiq",
    "taskiq.receiver.receiver:Receiver.run_task": "taskiq",
}


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """``package.module:Class``, ``package.module:Class.method`` or ``package.module:function``."""

    module: str
    path: str

    def __str__(self) -> str:
        return f"{self.module}:{self.path}"


@dataclass(frozen=True, slots=True)
class NamedAdapter:
    """An adapter of ours, by its name."""

    name: str
    #: Whether it is on without being named.
    is_default: bool = field(default=False, compare=False)
    #: Whether :data:`AUTO` stands for it.
    is_of_auto: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return self.name


Target = NamedTarget | NamedAdapter | Adapter | type | Callable[..., Any]


def parse_target(target: Any) -> Target:
    """Parse a target.

    Args:
        target: a class, a function, an adapter, a text of the form of :class:`NamedTarget`, or the name of an adapter,
            in which case, ``-``, ``_`` and ``.`` do not matter.

    Raises:
        ConfigurationError: for any other value, and for a function that hides failures.
    """
    if isinstance(target, (Adapter, NamedAdapter)):
        return target
    if not isinstance(target, str):
        if callable(target):
            check_failures_show(target)
            return target  # type: ignore[no-any-return]
        raise ConfigurationError(f"Invalid target {target!r}: expected a class, a function, an adapter, or a string.")
    text = target.strip()
    name = _alike(text)
    ours = next((adapter for adapter in MODULES if _alike(adapter) == name), None)
    if ours is not None:
        return NamedAdapter(ours)
    declared = declared_adapters().get(name)
    if declared is not None:
        return declared_adapter(declared)
    module, colon, path = text.partition(":")
    names = [*module.split("."), *path.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise ConfigurationError(
            f"Invalid target {target!r}: expected 'package.module:Class', 'package.module:Class.method',"
            f" 'package.module:function', {AUTO!r}, or a name that learning-instrument pools lists.{_hint(text)}"
        )
    check_failures_show(text)
    return NamedTarget(module, path)


def _hint(text: str) -> str:
    """Return what may have been meant by an invalid target."""
    near = get_close_matches(text.lower(), MODULES, n=1)
    if not near and ":" not in text and all(name.isidentifier() for name in text.split(".")):
        module, dot, name = text.rpartition(".")
        near = [f"{module}:{name}"] if dot else []
    return f" Did you mean {near[0]!r}?" if near else ""


def _alike(name: str) -> str:
    """Return what all spellings of the *name* of an adapter have in common, as ``pip install`` reads them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_failures_show(target: Any) -> None:
    """Check that *target*, a function or the name of one, does not return where its task failed.

    Raises:
        ConfigurationError: if it is known to.
    """
    if not isinstance(target, str):
        target = f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"
    if target in SWALLOWING:
        raise ConfigurationError(
            f"Invalid target {target!r}: it returns where its task failed, and failures would be recorded as successes."
            f" Name {SWALLOWING[target]!r} instead."
        )


def split_targets(text: str) -> list[str]:
    """Return the targets of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def declared_targets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the targets of the environment variable and of the entry points of installed packages, each once."""
    declared = [entry_point.value for entry_point in entry_points(group=ENTRY_POINT_GROUP) if ":" in entry_point.value]
    named = split_targets(environment.get("LEARNING_INSTRUMENT_POOLS", ""))
    return list(dict.fromkeys([*named, *declared, *declared_adapters()]))


def declared_adapters() -> dict[str, str]:
    """Return the adapters of installed packages: name -> module. Their entry points name a module and no object."""
    return {
        _alike(entry_point.name): entry_point.value
        for entry_point in entry_points(group=ENTRY_POINT_GROUP)
        if ":" not in entry_point.value
    }


def installed_adapters() -> list[str]:
    """Return the names of our adapters whose library is installed; those of executors only where no other is."""
    found = [name for name in MODULES if name not in EXECUTORS and is_installed(name, package_of(adapter_of(name)))]
    return found or list(EXECUTORS)


def is_installed(library: str, module: str) -> bool:
    """Tell whether *library*, as ``pip install`` calls it, is there, without importing its *module*."""
    top = module.partition(".")[0]
    if top == library.replace("-", "_"):
        return can_be_imported(top)
    try:  # others have modules of that name, too: ``agents``, ``workflows``, ``google``
        version(library)
    except PackageNotFoundError:
        return False
    return True


def package_of(adapter: Adapter) -> str:
    """Return the module that an application imports that uses the library of *adapter*."""
    return adapter.package or adapter.name


def can_be_imported(module: str) -> bool:
    """Tell whether the top package of *module* can be found, without importing anything."""
    top = module.partition(".")[0]
    # Under ``opentelemetry-instrument`` the folder of the script is not on ``sys.path`` yet.
    script_folder = os.path.dirname(os.path.realpath(sys.argv[0])) if getattr(sys, "argv", None) else ""
    try:
        return importlib.util.find_spec(top) is not None or PathFinder.find_spec(top, [script_folder]) is not None
    except (ImportError, ValueError):
        return False


def runs_a_script() -> bool:
    """Tell whether this process runs a script: helper processes of multiprocessing may lack its ``sys.path``."""
    return getattr(sys, "argv", [])[:1] != ["-c"]
