"""The wrapper around a recorded function or method, which binds, pickles and copies as the original does."""

import importlib
import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import wrapt

from ..safety.guards import guarded
from .call_recording import CallRecording, SentRecording
from .options import RecordingOptions
from .picklers import asking_pickler, is_to_be_reduced, takes_by_value
from .remote_settings import RemoteSettings, warn_of_another


class RecordedFunction(wrapt.FunctionWrapper[..., Any]):
    """A recorded function. It copies to itself, as a function does.

    It pickles by its name where the original would: a decorated one together with the settings that it is recorded by,
    one that was found by its name as the original does. Where a pickler, such as cloudpickle's, would send the original
    by value, it pickles as the original and the way it is recorded.

    Where it is a method, its bound methods are Python's own, so that they are what those of the function are: equal,
    weakly referable, picklable.

    Args:
        wrapped: the function, or the class method or static method.
        recording: how its calls are recorded; None where they are not.
        enabled: tells whether calls are recorded; by default they always are.
    """

    def __init__(self, wrapped: Any, recording: CallRecording | None, enabled: Any = None) -> None:
        super().__init__(wrapped, _call if recording is None else recording.wrapper, enabled)
        self._self_recording = recording
        self._self_is_plain = type(wrapped) is FunctionType
        self._self_is_bound = False
        self._self_inner: RecordedFunction | None = None

    def while_active(self, enabled: Callable[[], bool]) -> "RecordedFunction":
        """Return the same with *enabled*."""
        return RecordedFunction(self.__wrapped__, self._self_recording, enabled)

    @property
    def recording_options(self) -> RecordingOptions | None:
        """The options that its calls are recorded by; None where they are not."""
        return None if self._self_recording is None else self._self_recording.options

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The class of the original; but picklers that take functions apart must see that this is none, and ask it."""
        return RecordedFunction if is_to_be_reduced(sys._getframe(1)) else self.__wrapped__.__class__

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        if self._self_is_plain:
            if instance is None:
                return self
            if not self._self_is_bound:
                self._self_is_bound = True
                self._take_instance()
            return MethodType(self, instance)
        return self._bind(instance, owner)

    def _bind(self, instance: Any, owner: type | None) -> Any:
        """Bind as the wrapped descriptor does."""
        wrapped = self.__wrapped__
        bind = getattr(type(wrapped), "__get__", None)
        theirs = wrapped if bind is None else bind(wrapped, instance, owner)
        if theirs is wrapped:
            return self
        if type(theirs) is MethodType:  # of a compiled function, or a class method
            self._take_instance()
            function = theirs.__func__
            return MethodType(self if function is wrapped else self._recorded(function), theirs.__self__)
        if type(wrapped) is staticmethod:
            return self._recorded(theirs)
        return super().__get__(instance, owner)  # a descriptor of another library

    def _recorded(self, function: Any) -> "RecordedFunction":
        """Return *function*, the one within a class method or static method, recorded: each time the same object."""
        inner = self._self_inner
        if inner is None or inner.__wrapped__ is not function:
            inner = RecordedFunction(function, self._self_recording, self._self_enabled)
            self._self_inner = inner
        return inner

    def _take_instance(self) -> None:
        if self._self_recording is not None:
            self._self_recording.take_instance()

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> Any:
        return self._reduced(asking_pickler())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._reduced(asking_pickler())

    def _reduced(self, pickler: Any) -> Any:
        enabled: Any = self._self_enabled
        recording = self._self_recording
        if enabled is not None and not enabled():
            recording = None
        name = guarded(_importable_name, self)
        if name is not None and (pickler is None or not takes_by_value(pickler, self)):
            if enabled is not None and _resolve(*name) is self:
                return name[1]  # as the original: what loads it may lack this package, which its module does not need
            settings = None if recording is None else guarded(recording.destination, pickler)
            return _resolve, name if settings is None else (*name, settings)
        sent = None if recording is None else guarded(recording.sent, pickler)
        # First without the function, which may refer to this one.
        return _blank, (), (self.__wrapped__, sent), None, None, _fill

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self


def _call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Call a function that is not recorded."""
    return wrapped(*args, **kwargs)


def _importable_name(function: Any) -> tuple[str, str] | None:
    """Return module and name of *function*; None where another object, or nothing, has that name."""
    module, name = function.__module__, function.__qualname__
    found = _resolve(module, name)
    is_same = type(found) is RecordedFunction and found.__wrapped__ is function.__wrapped__
    return (module, name) if is_same else None


def _resolve(module: str, qualified_name: str, settings: RemoteSettings | None = None) -> Any:
    """Return the recorded function of a name, and record it by *settings* if this process has none."""
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    another = None if settings is None else guarded(settings.apply)
    if another is not None:
        warn_of_another(f"{module}.{qualified_name}", another.path)
    return found


def _blank() -> RecordedFunction:
    """Return what :func:`_fill` makes a recorded function of."""
    return RecordedFunction(_blank, None)


def _fill(blank: RecordedFunction, state: tuple[Any, SentRecording | None]) -> None:
    """Make *blank* the recorded function that was pickled by value."""
    function, sent = state
    recording = None if sent is None else guarded(sent.received, function)
    RecordedFunction.__init__(blank, function, recording)
