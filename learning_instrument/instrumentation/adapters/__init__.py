"""Adapters for libraries whose pools need more than a method to be wrapped. Each is opted into by its name.

An adapter is a module with a function ``instrument(tools)``. It imports nothing of the library: it waits until the
application does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..options import Recording
from ..patching import Patches
from ..submitted_calls import CallRecorder
from ..targets import ADAPTERS


@dataclass(frozen=True, slots=True)
class Tools:
    """What an adapter works with."""

    patches: Patches
    recording: Recording
    #: Instruments a target, as :func:`parse_target` takes it.
    instrument_target: Callable[[Any], None]

    def call_recorder(self, adapter: str) -> CallRecorder:
        """Return a recorder of the functions that are sent to pools."""
        recorder = CallRecorder(adapter, self.recording)
        self.patches.on_undo(recorder.forget)
        return recorder


def instrument(name: str, tools: Tools) -> None:
    """Have the adapter called *name* instrument its library."""
    import_module(f".{ADAPTERS[name]}", __name__).instrument(tools)
