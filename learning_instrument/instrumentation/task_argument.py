"""Finds the argument of a call that holds the task."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import ConfigurationError

_INSTANCES: Final = ("self", "cls")


@dataclass(slots=True)
class TaskLocation:
    """The position of the task in a call: its index among the positional arguments, its name, and its default.

    Of a method there are two: one without ``self``, and one of the function, whose first argument is ``self``.
    """

    method_index: int
    method_name: str
    function_index: int
    function_name: str
    default: Any = None
    #: Whether the first argument of the function is the pool.
    takes_instance: bool = False
    #: The names of the positional parameters of the function, without that of the pool.
    parameters: list[str] = field(default_factory=list)

    def __call__(self, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the task of a call; without an *instance*, *args* include ``self``."""
        if instance is None:
            index, name = self.function_index, self.function_name
        else:
            index, name = self.method_index, self.method_name
        return args[index] if 0 <= index < len(args) else kwargs.get(name, self.default)

    def take_instance(self) -> None:
        """Note that the function was bound to an instance: its first argument is the pool, under any name."""
        if not self.takes_instance:
            self.takes_instance = True
            self.function_index = -1 if self.method_index < 0 else self.method_index + 1
            self.function_name = self.method_name
            del self.parameters[:1]


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
    takes_instance = bool(names) and names[0] in _INSTANCES
    if name == "task" and preferred in parameters:
        name = preferred
    others = names[1:] if takes_instance else list(names)
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
            takes_instance,
            others,
        )
    if name != "task" and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigurationError(
            f"Invalid task {name!r}: expected a parameter of {function!r}, one of {', '.join(parameters)}."
        )
    if name != "task":
        return TaskLocation(-1, name, -1, name, takes_instance=takes_instance, parameters=others)
    names += [name, name]  # the function may have none, or only ``*args``
    first = 1 if takes_instance else 0
    return TaskLocation(0, names[1], first, names[first], takes_instance=takes_instance, parameters=others)
