"""Functions that a cluster calls on any of its machines: they take along how they are recorded.

A cluster's scheduler may hand them on, and a machine may lack this package: it gets the function alone.
"""

import inspect
import pickle
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context as otel_context

from ..recording.contexts import batch_of, is_suppressed
from ..recording.propagation import pack
from ..safety.clocks import time
from ..safety.guards import guarded
from .submitted_calls import CallRecorder, SubmittedCall, received_call

#: What a carried call pickles as: an expression, for a machine without this package has no function of ours.
_ARRIVAL: Final = (
    "(lambda found: getattr(__import__(module, fromlist=[name]), name)(function, parcel)"
    " if found('learning_instrument') and found(module) else function)"
    "(__import__('importlib.util', fromlist=['util']).find_spec)"
)


class Submission:
    """A moment at which functions are sent: its context and time, and how they are recorded."""

    def __init__(self, recorder: CallRecorder, context: Any, pipeline: Any) -> None:
        self.sent = time.time()
        self._recorder = recorder
        self._pool_type = recorder.options.capture.pool_type or recorder.adapter
        self._context = context
        self._pipeline = pipeline
        self._settings: bytes | None = None

    @classmethod
    def now(cls, recorder: CallRecorder, pool: Any) -> "Submission | None":
        """Return the present; None where nothing is recorded."""
        context = otel_context.get_current()
        pipeline = None if is_suppressed(context) else recorder.options.resolve(pool)
        return None if pipeline is None else cls(recorder, context, pipeline)

    def call(self, function: Callable[..., Any], sent: float) -> SubmittedCall:
        """Return *function*, to be called by this process, which waits since *sent*, in seconds of Unix time."""
        return SubmittedCall(function, self._recorder, self._pool_type, self._pipeline, self._context, clock_at(sent))

    def settings(self) -> bytes:
        """Return what another process makes a call of: the same for all functions."""
        batch = batch_of(self._context)
        if self._settings is None:
            self._settings = pickle.dumps((self._recorder, self._pool_type, pack(self._context)))
        elif batch is not None:
            batch.recorded += 1  # as when a context is packed
        return self._settings


class CarriedCall:
    """A function on its way through a cluster. It pickles as itself, and its settings are opened where it is called.

    Args:
        function: the function.
        parcel: ``settings`` of its submission; ``sent``, since when it could run, in seconds of Unix time, or None:
            since it arrived; and ``defaults``, what to record of it.
    """

    __slots__ = ("arrived", "function", "parcel")

    def __init__(self, function: Callable[..., Any], parcel: dict[str, Any]) -> None:
        self.function = function
        self.parcel = parcel
        self.arrived = time.time()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and record the call."""
        return (guarded(self._unpacked) or self.function)(*args, **kwargs)

    def _unpacked(self) -> Any:
        defaults = self.here()
        if defaults is None:
            return None
        # As this call was, which holds it.
        recorder, pool_type, headers = pickle.loads(self.parcel["settings"])  # noqa: S301
        sent = self.parcel["sent"]
        submitted = clock_at(self.arrived if sent is None else sent)
        call = received_call(self.function, recorder, pool_type, headers, submitted)
        if type(call) is SubmittedCall:
            call.defaults = {**defaults, **self.parcel["defaults"]}
        return call

    def here(self) -> dict[str, Any] | None:
        """Return what to record of the place that calls it; None: the call is no task."""
        return {}

    def __reduce__(self) -> Any:
        cls = type(self)
        names = {"function": self.function, "parcel": self.parcel, "module": cls.__module__, "name": cls.__name__}
        return eval, (_ARRIVAL, names)

    def __getattr__(self, name: str) -> Any:
        if name == "__tornado_coroutine__":  # how a cluster tells, where ``inspect`` cannot
            return inspect.iscoroutinefunction(self.function)
        if name == "function":  # it is just being made
            raise AttributeError(name)
        return getattr(self.function, name)

    def __repr__(self) -> str:
        return repr(self.function)


def clock_at(sent: float) -> int:
    """Return what the monotonic clock of this machine showed at *sent*, in seconds of Unix time."""
    return time.monotonic_ns() - int(max(0.0, time.time() - sent) * 1e9)
