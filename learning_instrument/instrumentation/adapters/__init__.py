"""Adapters for libraries whose pools need more than a wrapped method. Targets name them.

An adapter is a module with a function ``instrument(tools)``. It does not import the library, but waits until the
application does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..options import RecordingOptions
from ..patching import Patches
from ..submitted_calls import CallRecorder
from ..targets import ADAPTERS


@dataclass(frozen=True, slots=True)
class Tools:
    """The patches and options of the instrumentor, for an adapter."""

    patches: Patches
    options: RecordingOptions
    #: Instruments a target that :func:`parse_target` accepts.
    instrument_target: Callable[[Any], None]

    def call_recorder(self, adapter: str) -> CallRecorder:
        """Return a recorder of functions that are submitted to pools."""
        recorder = CallRecorder(adapter, self.options)
        self.patches.on_undo(recorder.forget)
        return recorder


def instrument(name: str, tools: Tools) -> None:
    """Instrument a library with the adapter called *name*."""
    import_module(f".{ADAPTERS[name]}", __name__).instrument(tools)
