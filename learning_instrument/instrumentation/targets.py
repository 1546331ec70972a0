"""Targets: parses the names of pools to instrument, and collects them from environment and entry points."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from typing import Any, Final

from ..errors import ConfigurationError

ENTRY_POINT_GROUP: Final = "learning_instrument_pools"
#: Libraries whose pools need more than a wrapped method: name of the adapter -> its module in ``adapters``.
ADAPTERS: Final = {
    "celery": "celery",
    "concurrent.futures": "concurrent_futures",
    "dramatiq": "dramatiq",
    "mahavishnu": "mahavishnu",
    "multiprocessing": "multiprocessing",
}
#: Adapters that are on without being named: they record pools of tasks and nothing else.
ADAPTERS_BY_DEFAULT: Final = ("mahavishnu",)


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """``package.module:Class``, ``package.module:Class.method`` or ``package.module:function``."""

    module: str
    path: str

    def __str__(self) -> str:
        return f"{self.module}:{self.path}"


@dataclass(frozen=True, slots=True)
class NamedAdapter:
    """One of :data:`ADAPTERS`: the name of the library."""

    name: str
    #: Whether it is on without being named.
    is_default: bool = False

    def __str__(self) -> str:
        return self.name


Target = NamedTarget | NamedAdapter | type | Callable[..., Any]


def parse_target(target: Any) -> Target:
    """Parse a target.

    Args:
        target: a class, a function, a text of the form of :class:`NamedTarget`, or the name of an adapter.

    Raises:
        ConfigurationError: for any other value.
    """
    if not isinstance(target, str):
        if callable(target):
            return target  # type: ignore[no-any-return]
        raise ConfigurationError(f"Invalid target {target!r}: expected a class, a function, or a string.")
    if target.strip() in ADAPTERS:
        return NamedAdapter(target.strip())
    module, colon, path = target.strip().partition(":")
    names = [*module.split("."), *path.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise ConfigurationError(
            f"Invalid target {target!r}: expected 'package.module:Class', 'package.module:Class.method',"
            f" 'package.module:function', or one of {', '.join(ADAPTERS)}."
        )
    return NamedTarget(module, path)


def split_targets(text: str) -> list[str]:
    """Return the targets of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def declared_targets() -> list[str]:
    """Return the targets of the environment variable and of the entry points of installed packages, each once."""
    declared = [entry_point.value for entry_point in entry_points(group=ENTRY_POINT_GROUP)]
    return list(dict.fromkeys([*split_targets(os.environ.get("LEARNING_INSTRUMENT_POOLS", "")), *declared]))


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
