"""The tools of an adapter: patches and options of the instrumentor, and recorders under the adapter's name."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import wrapt

from ..safety.guards import warn
from .library_runs import RunRecorder
from .options import RecordingOptions
from .patching import Patches
from .submitted_calls import CallRecorder

log = logging.getLogger(__name__)

Wrapper = Callable[[Any, Any, Any, Any], Any]
"""``(wrapped, instance, args, kwargs) -> result``, as wrapt calls it."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the adapter called *name* instruments its library with."""

    name: str
    patches: Patches
    options: RecordingOptions
    #: Instruments a target that :func:`parse_target` accepts.
    instrument_target: Callable[[Any], None]

    def call_recorder(self) -> CallRecorder:
        """Return a recorder of functions that are submitted to pools."""
        recorder = CallRecorder(self.name, self.options)
        recorder.remember()
        self.patches.on_undo(recorder.forget)
        return recorder

    def run_recorder(self, result: Callable[[Any], Any] | None = None) -> RunRecorder:
        """Return a recorder of one method's runs; *result* as in :class:`~learning_instrument.adapters.Executes`."""
        return RunRecorder(self.name, self.options, result)

    def wrap(self, target: str, wrapper: Wrapper) -> None:
        """Wrap the method or function *target*, once its module is imported.

        Args:
            target: ``"package.module:Class.method"`` or ``"package.module:function"``.
            wrapper: called in its place.
        """
        self.wrap_original(target, lambda _: wrapper)

    def wrap_original(self, target: str, make: Callable[[Any], Wrapper], *, subclasses: bool = False) -> None:
        """Do the same with the wrapper that ``make(original)`` returns, and optionally where subclasses define it."""
        module, _, path = target.partition(":")
        *outer, name = path.split(".")

        def wrap_in(owner: Any) -> None:
            if _is_function(vars(owner).get(name)):
                self.patches.wrap(
                    owner,
                    name,
                    lambda original: wrapt.FunctionWrapper(original, make(original), lambda: self.patches.active),
                )

        def found(imported: ModuleType) -> None:
            owner: Any = imported
            for part in outer:
                owner = vars(owner).get(part, owner)
            if isinstance(owner, type):
                owner = next((cls for cls in owner.__mro__ if name in vars(cls)), owner)
            if inspect.isclass(owner) != bool(outer) or not _is_function(vars(owner).get(name)):
                problem = "This release of %s is not supported, and not recorded: there is no function or method %s."
                warn(log, problem, self.name, target)
                return
            wrap_in(owner)
            if subclasses:
                self.patches.watch_subclasses(owner, wrap_in)

        self.patches.when_imported(module, found)


def _is_function(found: Any) -> bool:
    """Tell whether *found* is a function or method; a wrapper would change what a property or a class is."""
    return callable(getattr(found, "__func__", found)) and not isinstance(found, type)
