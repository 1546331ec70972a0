"""The wrapper around a recorded function or method, which binds, pickles and copies as the original does."""

import importlib
import pickle
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import wrapt


class RecordedFunction(wrapt.FunctionWrapper[..., Any]):
    """A recorded function. It pickles by its name, and copies to itself, as a function does.

    Where it is a method, its bound methods are Python's own, so that they are what those of the function are: equal,
    weakly referable, picklable.

    Args:
        wrapped: the function, or the class method or static method.
        wrapper: drives a call: ``(wrapped, instance, args, kwargs) -> result``.
        take_instance: called when it is first bound to an instance.
        enabled: tells whether calls are recorded; by default they always are.
    """

    def __init__(
        self,
        wrapped: Any,
        wrapper: Callable[..., Any],
        take_instance: Callable[[], object],
        enabled: Any = None,
    ) -> None:
        super().__init__(wrapped, wrapper, enabled)
        self._self_take_instance = take_instance
        self._self_is_plain = type(wrapped) is FunctionType
        self._self_is_bound = False
        self._self_inner: RecordedFunction | None = None

    def while_active(self, enabled: Callable[[], bool]) -> "RecordedFunction":
        """Return the same with *enabled*."""
        return RecordedFunction(self.__wrapped__, self._self_wrapper, self._self_take_instance, enabled)

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        if self._self_is_plain:
            if instance is None:
                return self
            if not self._self_is_bound:
                self._self_is_bound = True
                self._self_take_instance()
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
            self._self_take_instance()
            function = theirs.__func__
            return MethodType(self if function is wrapped else self._recorded(function), theirs.__self__)
        if type(wrapped) is staticmethod:
            return self._recorded(theirs)
        return super().__get__(instance, owner)  # a descriptor of another library

    def _recorded(self, function: Any) -> "RecordedFunction":
        """Return *function*, the one within a class method or static method, recorded: each time the same object."""
        inner = self._self_inner
        if inner is None or inner.__wrapped__ is not function:
            inner = RecordedFunction(function, self._self_wrapper, self._self_take_instance, self._self_enabled)
            self._self_inner = inner
        return inner

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> Any:
        return _resolve, _importable_name(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self


def _importable_name(function: Any) -> tuple[str, str]:
    """Return module and name of *function*.

    Raises:
        pickle.PicklingError: if another object has that name: better here than in the receiving process.
    """
    module, name = function.__module__, function.__qualname__
    found = _resolve(module, name)
    if not isinstance(found, RecordedFunction) or found.__wrapped__ is not function.__wrapped__:
        raise pickle.PicklingError(f"Can't pickle {function!r}: it is not {module}.{name}")
    return module, name


def _resolve(module: str, qualified_name: str) -> Any:
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found
