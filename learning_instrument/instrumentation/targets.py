"""Which pools to instrument: what a target says, and where targets come from."""

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
#: Libraries whose pools need more than a method to be wrapped: the name to opt in by -> its module in ``pools``.
ADAPTERS: Final = {
    "celery": "celery",
    "concurrent.futures": "concurrent_futures",
    "dramatiq": "dramatiq",
    "mahavishnu": "mahavishnu",
    "multiprocessing": "multiprocessing",
}
#: Those that are on where nobody names targets: they record pools of tasks and nothing besides.
ADAPTERS_BY_DEFAULT: Final = ("mahavishnu",)


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """``package.module:Class``, ``package.module:Class.method`` or ``package.module:function``."""

    module: str
    path: str

    def __str__(self) -> str:
        return f"{self.module}:{self.path}"

    @property
    def top_package(self) -> str:
        """The package that must be there for the module to be."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, slots=True)
class NamedAdapter:
    """One of :data:`ADAPTERS`."""

    name: str


Target = NamedTarget | NamedAdapter | type | Callable[..., Any]


def parse_target(target: Any) -> Target:
    """Return what *target* means.

    Args:
        target: a class or function, a text as :class:`NamedTarget` has it, or the name of an adapter.

    Raises:
        ConfigurationError: if it means nothing.
    """
    if not isinstance(target, str):
        if callable(target):
            return target  # type: ignore[no-any-return]
        raise ConfigurationError(f"The target {target!r} is neither a class, nor a function, nor a text.")
    if target.strip() in ADAPTERS:
        return NamedAdapter(target.strip())
    module, colon, path = target.strip().partition(":")
    names = [*module.split("."), *path.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise ConfigurationError(
            f"The target {target!r} is not of the form 'package.module:Class' or 'package.module:Class.method', and"
            f" none of {', '.join(ADAPTERS)}."
        )
    return NamedTarget(module, path)


def split_targets(text: str) -> list[str]:
    """Return the targets of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def declared_targets() -> list[str]:
    """Return the targets of the environment variable, and those that installed packages declare, each once."""
    declared = [entry_point.value for entry_point in entry_points(group=ENTRY_POINT_GROUP)]
    return list(dict.fromkeys([*split_targets(os.environ.get("LEARNING_INSTRUMENT_POOLS", "")), *declared]))


def can_be_imported(module: str) -> bool:
    """Tell whether the top package of *module* is there, without importing anything."""
    top = module.partition(".")[0]
    # Under ``opentelemetry-instrument`` the folder of the script is not on the path yet.
    script_folder = os.path.dirname(os.path.realpath(sys.argv[0])) if getattr(sys, "argv", None) else ""
    try:
        return importlib.util.find_spec(top) is not None or PathFinder.find_spec(top, [script_folder]) is not None
    except (ImportError, ValueError):
        return False


def runs_a_script() -> bool:
    """Tell whether this is no helper process of multiprocessing, whose path may lack what the script's has."""
    return getattr(sys, "argv", [])[:1] != ["-c"]
