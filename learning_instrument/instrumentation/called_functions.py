"""What is known of a function that a library calls: its name, its parameters, its task, and what it calls in turn."""

import contextvars
import functools
import inspect
from collections.abc import Mapping
from types import BuiltinMethodType
from typing import Any, Final

#: How many wrappers of a function are looked through.
WRAPPERS_LIMIT: Final = 16


def innermost(function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return the function that a partial or ``Context.run`` (as in ``asyncio.to_thread``) calls, and its arguments."""
    while True:
        if type(function) is functools.partial:
            function, args = function.func, function.args + args
        elif args and runs_in_a_context(function):
            function, args = args[0], args[1:]
        else:
            return function, args


def name_of(function: Any) -> tuple[str, str]:
    """Return the module and the qualified name of *function*, or those of its class."""
    function = innermost(function, ())[0]
    module, name = module_of(function), getattr(function, "__qualname__", None)
    if type(name) is not str:
        module, name = module_of(type(function)), type(function).__qualname__
    return module, name


def module_of(function: Any) -> str:
    """Return the name of its module. A script is ``__main__`` also where a spawned process has imported it."""
    module = str(getattr(function, "__module__", ""))
    return "__main__" if module == "__mp_main__" else module


def task_of(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the argument called ``task``, else the first one; without ``inspect.signature``, which is slow."""
    if "task" in kwargs:
        return kwargs["task"]
    names = parameters_of(function)
    index = names.index("task") if "task" in names else 0
    return args[index] if 0 <= index < len(args) else None


def parameters_of(function: Any) -> tuple[str, ...]:
    """Return the names of the positional parameters of a call of *function*."""
    code = getattr(function, "__code__", None)
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount] if code is not None else ()
    return names[1:] if getattr(function, "__self__", None) is not None else names


def innermost_parameters(function: Any) -> tuple[str, ...]:
    """Return the parameters of what wrappers hide: they tell functions of one name, such as lambdas, apart."""
    for _ in range(WRAPPERS_LIMIT):
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is None:
            break
        function = wrapped
    return parameters_of(function)


def signature_of(function: Any) -> tuple[str, ...]:
    """Return the same where wrappers, or a class, hide the code of *function*: slower, for what is done once."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD))


def runs_in_a_context(function: Any) -> bool:
    """Tell whether *function* is ``run`` of a :class:`contextvars.Context`."""
    return type(function) is BuiltinMethodType and type(function.__self__) is contextvars.Context
