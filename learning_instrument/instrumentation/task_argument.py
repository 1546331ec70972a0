"""Finds the argument of a call that holds the task."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TaskLocation:
    """The position of the task in a call: its index among the positional arguments, its name, and its default."""

    method_index: int
    method_name: str
    function_index: int
    function_name: str
    default: Any = None
    #: From Python 3.13 on, ``classmethod`` around a recorded function passes its class as an argument.
    takes_class: bool = False

    def __call__(self, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the task of a call; *args* do not include ``self``."""
        if instance is None:
            index, name = self.function_index, self.function_name
        else:
            index, name = self.method_index, self.method_name
        return args[index] if 0 <= index < len(args) else kwargs.get(name, self.default)


def locate_task(function: Callable[..., Any], name: str, preferred: str = "task") -> TaskLocation:
    """Find the parameter *name* of *function*.

    Where *name* is the default, a parameter called *preferred* takes precedence, and without either it is the first
    one after ``self``.

    Raises:
        ConfigurationError: if *name* is not the default and *function* has no such parameter.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in functions have no signature
        return TaskLocation(0, name, 0, name)
    positional = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [parameter.name for parameter in positional]
    takes_class = names[:1] == ["cls"]
    if name == "task" and preferred in parameters:
        name = preferred
    if name in parameters:
        index = names.index(name) if name in names else -1
        default = parameters[name].default
        return TaskLocation(
            # Index -1 + 1 must not become 0: a keyword-only task has no index.
            index - 1 if index > 0 else -1,
            name,
            index,
            name,
            None if default is inspect.Parameter.empty else default,
            takes_class,
        )
    if name != "task" and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigurationError(
            f"Invalid task {name!r}: expected a parameter of {function!r}, one of {', '.join(parameters)}."
        )
    if name != "task":
        return TaskLocation(-1, name, -1, name, takes_class=takes_class)  # among the **keywords
    names += [name, name]  # the function may have none, or only ``*args``
    first = 1 if takes_class else 0
    return TaskLocation(0, names[1], first, names[first], takes_class=takes_class)
