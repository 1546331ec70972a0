"""Patches: replaces attributes of classes and modules by wrappers, and restores exactly those."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from ..safety.guards import is_interruption, warn

log = logging.getLogger(__name__)


class Patches:
    """The replaced attributes. After :meth:`undo`, wrappers that could not be removed do nothing."""

    def __init__(self) -> None:
        self.active = True
        self._undo: list[Callable[[], object]] = []
        #: Id of a wrapper -> the original and the wrapper itself, whose id must not be reused.
        self._handles: dict[int, tuple[Any, Any]] = {}

    def wrap(self, owner: type | ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
        """Replace attribute *name*, which *owner* itself defines, by ``wrap(original)``, a wrapt wrapper."""
        original = vars(owner)[name]
        handle = wrap(original)
        setattr(owner, name, handle)
        self._handles[id(handle)] = original, handle
        self._undo.append(lambda: _unwrap(owner, name, original, handle))

    def adopt(self, owner: type | ModuleType, name: str) -> None:
        """Restore attribute *name* of *owner* as well, where it is a copy of one of our wrappers.

        ``dataclass(slots=True)`` copies the attributes of the class it decorates into a new one.
        """
        original, handle = self._handles.get(id(vars(owner)[name]), (None, None))
        if handle is not None:
            self._undo.append(lambda: _unwrap(owner, name, original, handle))

    def watch_subclasses(self, owner: Any, found: Callable[[type], object]) -> None:
        """Call *found* with each subclass of *owner*, present and future."""
        original = vars(owner).get("__init_subclass__")

        def found_while_active(cls: type) -> None:
            if self.active:
                attempt(found, cls)

        ours = _InitSubclass(original, owner, found_while_active)
        owner.__init_subclass__ = ours
        self._undo.append(lambda: _restore(owner, "__init_subclass__", ours, original))
        for subclass in all_subclasses(owner):
            attempt(found, subclass)

    def when_imported(self, module: str, found: Callable[[ModuleType], object]) -> None:
        """Call *found* with *module*, now or once it is imported. Its exceptions do not reach the import."""

        def hook(imported: ModuleType) -> None:
            if self.active:  # wrapt cannot remove a hook
                attempt(found, imported)

        wrapt.register_post_import_hook(hook, module)

    def on_undo(self, action: Callable[[], object]) -> None:
        """Call *action* in :meth:`undo`."""
        self._undo.append(action)

    def undo(self) -> None:
        """Restore everything, in reverse order."""
        self.active = False
        while self._undo:
            attempt(self._undo.pop())


class _InitSubclass(classmethod):  # type: ignore[type-arg]
    """Stands in for ``__init_subclass__`` of a class, and calls *found* with each subclass of it.

    A class that is pickled by value takes along one that calls nothing.
    """

    def __init__(self, original: Any, owner: Any = None, found: Callable[[type], object] | None = None) -> None:
        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807
            if original is not None:
                original.__get__(None, cls)(**kwargs)
            else:
                # The class that has this method is not always *owner*: ``dataclass(slots=True)`` copies it.
                copies = (base for base in cls.__mro__ if vars(base).get("__init_subclass__") is self)
                holder: Any = owner if owner in cls.__mro__ else next(copies, object)
                super(holder, cls).__init_subclass__(**kwargs)  # type: ignore[misc]
            if found is not None:
                found(cls)

        super().__init__(__init_subclass__)
        self._original = original

    def __reduce__(self) -> Any:
        return type(self), (self._original,)


def attempt(action: Callable[..., object], *args: Any) -> None:
    """Call *action*; log a warning where it fails, for the application must go on."""
    try:
        action(*args)
    except BaseException as fault:  # such as a class that refuses attributes, or an adapter that calls sys.exit()
        if is_interruption(fault):
            raise
        warn(log, "A part of the instrumentation failed; the application goes on without it.", exc_info=True)


def all_subclasses(owner: type) -> list[type]:
    """Return all direct and indirect subclasses of *owner*, each once."""
    found: dict[type, None] = {}
    waiting: list[type] = list(type.__subclasses__(owner))
    while waiting:
        subclass = waiting.pop()
        if subclass not in found:
            found[subclass] = None
            waiting.extend(type.__subclasses__(subclass))
    return list(found)


def _unwrap(owner: type | ModuleType, name: str, original: Any, handle: Any) -> None:
    if vars(owner).get(name) is handle:
        setattr(owner, name, original)
        return
    try:
        wrapt.unwrap_object(owner, name, handle, missing_ok=True)  # under a foreign wrapper, which stays
    except wrapt.WrapperNotOutermostError:
        pass  # under a foreign wrapper that wrapt cannot open: ours stays too, and does nothing


def _restore(owner: type, name: str, ours: Any, original: Any) -> None:
    if vars(owner).get(name) is ours:
        if original is None:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
