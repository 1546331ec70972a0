"""Instruments classes of the main script, which defines them after the instrumentor is loaded."""

import atexit
import builtins
import logging
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ..safety.guards import warn
from .patching import Patches, attempt
from .targets import NamedTarget, runs_a_script

log = logging.getLogger(__name__)


#: The names of the script's module: in its own process, and in one that multiprocessing spawned.
_MAIN: Final = ("__main__", "__mp_main__")


class MainScriptWatch:
    """Waits for the script to define the class of *target*, and calls *found*."""

    def __init__(self, patches: Patches, target: NamedTarget, found: Callable[[NamedTarget, ModuleType], None]) -> None:
        self._patches = patches
        self._target = target
        self._name = target.path.partition(".")[0]
        self._found = found
        self._is_over = False

    def start(self) -> None:
        """Call *found* at once where the class exists; else replace ``__build_class__`` until it does."""
        main = sys.modules["__main__"]
        if hasattr(main, self._name):
            self._found(self._target, main)
            return
        original = builtins.__build_class__

        def build_class(body: Any, name: str, /, *bases: Any, **keywords: Any) -> Any:
            cls = original(body, name, *bases, **keywords)
            if self._patches.active and not self._is_over:
                attempt(self._look_at, cls)
            if self._is_over:
                _put_back(ours, original)
            return cls

        ours: Any = _BuildClass(original, build_class)
        builtins.__build_class__ = ours
        self._patches.on_undo(lambda: _put_back(ours, original))
        atexit.register(self._warn_if_missing)
        self._patches.on_undo(lambda: atexit.unregister(self._warn_if_missing))

    def _look_at(self, cls: Any) -> None:
        if cls.__qualname__ == self._name and cls.__module__ in _MAIN:
            self._is_over = True
            # The module does not have the class yet: a stand-in does.
            holder = ModuleType("__main__")
            setattr(holder, self._name, cls)
            self._found(self._target, holder)

    def _warn_if_missing(self) -> None:
        if not self._is_over and runs_a_script():
            warn(
                log,
                "The target %s was not instrumented: the script defined no such class. Decorate the function with"
                " @record_execution instead.",
                self._target,
            )


class _BuildClass:
    """Stands in for ``__build_class__``: class statements of the script itself call *for_script*.

    All others call the original, without a frame of ours between: pydantic, for example, reads names from the frame of
    the class statement. So ``__call__`` is a property, which selects the function before the call.
    """

    def __init__(self, original: Any, for_script: Any) -> None:
        self._original = original
        self._for_script = for_script

    @property
    def __call__(self) -> Any:
        statement: Any = sys._getframe(1)
        while statement.f_globals is globals():  # another target's stand-in, which calls this one
            statement = statement.f_back
        is_scripts = statement.f_code.co_name == "<module>" and statement.f_globals.get("__name__") in _MAIN
        return self._for_script if is_scripts else self._original


def _put_back(ours: Any, original: Any) -> None:
    if builtins.__build_class__ is ours:
        builtins.__build_class__ = original
