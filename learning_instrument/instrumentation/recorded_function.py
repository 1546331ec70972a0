"""The wrappers around recorded functions and methods, which pickle and copy as the originals do."""

import copy
import importlib
import pickle
from typing import Any

import wrapt


class RecordedMethod(wrapt.BoundFunctionWrapper[..., Any]):
    """A recorded function bound to its instance or class. It pickles and copies as a method does."""

    def __reduce__(self) -> Any:
        owner = getattr(self.__wrapped__, "__self__", None)
        if owner is None:  # a static method, or a function read from its class
            return _resolve, _importable_name(self)
        return getattr, (owner, self.__name__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        owner = getattr(self.__wrapped__, "__self__", None)
        return self if owner is None else getattr(copy.deepcopy(owner, memo), self.__name__)


class RecordedFunction(wrapt.FunctionWrapper[..., Any]):
    """A recorded function. It pickles by its name, and copies to itself, as a function does."""

    __bound_function_wrapper__ = RecordedMethod

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
    if not isinstance(found, (RecordedFunction, RecordedMethod)) or found.__wrapped__ != function.__wrapped__:
        raise pickle.PicklingError(f"Can't pickle {function!r}: it is not {module}.{name}")
    return module, name


def _resolve(module: str, qualified_name: str) -> Any:
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found
