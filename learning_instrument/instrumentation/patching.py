"""Wrapping what others define, and undoing exactly that."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

log = logging.getLogger(__name__)


class Patches:
    """What was replaced, so that it can be put back. After :meth:`undo`, wrappers that stay behind do nothing."""

    def __init__(self) -> None:
        self.active = True
        self._undo: list[Callable[[], object]] = []
        #: The wrappers, by their id: what they wrap, and they themselves, which keeps the id theirs.
        self._handles: dict[int, tuple[Any, Any]] = {}

    def wrap(self, owner: type | ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
        """Replace what *owner* itself defines as *name* by ``wrap(original)``, a wrapt wrapper."""
        original = vars(owner)[name]
        handle = wrap(original)
        setattr(owner, name, handle)
        self._handles[id(handle)] = original, handle
        self._undo.append(lambda: _unwrap(owner, name, original, handle))

    def adopt(self, owner: type | ModuleType, name: str) -> None:
        """Take what *owner* defines as *name* back as well, where that is a wrapper of ours that was copied.

        ``dataclass(slots=True)`` makes a new class out of what is in the one it decorates.
        """
        original, handle = self._handles.get(id(vars(owner)[name]), (None, None))
        if handle is not None:
            self._undo.append(lambda: _unwrap(owner, name, original, handle))

    def watch_subclasses(self, owner: Any, found: Callable[[type], object]) -> None:
        """Call *found* with each subclass of *owner*, those of today and those defined later."""
        original = vars(owner).get("__init_subclass__")

        def __init_subclass__(cls: type, **kwargs: Any) -> None:  # noqa: N807
            if original is not None:
                original.__get__(None, cls)(**kwargs)
            else:
                # Not always *owner*: ``dataclass(slots=True)`` copies us into a new class.
                copies = (base for base in cls.__mro__ if vars(base).get("__init_subclass__") is ours)
                holder: Any = owner if owner in cls.__mro__ else next(copies, object)
                super(holder, cls).__init_subclass__(**kwargs)  # type: ignore[misc]
            if self.active:
                call_logged(found, cls)

        ours: Any = classmethod(__init_subclass__)  # type: ignore[arg-type]
        owner.__init_subclass__ = ours
        self._undo.append(lambda: _restore(owner, "__init_subclass__", ours, original))
        for subclass in all_subclasses(owner):
            call_logged(found, subclass)

    def when_imported(self, module: str, found: Callable[[ModuleType], object]) -> None:
        """Call *found* with *module*, now or when somebody imports it. What it raises does not reach the import."""

        def hook(imported: ModuleType) -> None:
            if self.active:  # a hook cannot be taken back
                call_logged(found, imported)

        wrapt.register_post_import_hook(hook, module)

    def on_undo(self, action: Callable[[], object]) -> None:
        """Have *action* called by :meth:`undo`."""
        self._undo.append(action)

    def undo(self) -> None:
        """Put everything back, the latest first."""
        self.active = False
        while self._undo:
            call_logged(self._undo.pop())


def call_logged(action: Callable[..., object], *args: Any) -> None:
    """Call *action*; what it raises is one warning, and the application goes on."""
    try:
        action(*args)
    except Exception:  # an odd class, or a wrapper of others' that cannot be taken apart
        log.warning("Instrumentation failed in part; the application runs on.", exc_info=True)


def all_subclasses(owner: type) -> list[type]:
    """Return the subclasses of *owner*, of all generations, each once."""
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
        wrapt.unwrap_object(owner, name, handle, missing_ok=True)  # beneath a wrapper of others', which stays
    except wrapt.WrapperNotOutermostError:
        pass  # beneath one that cannot be taken apart: ours stays too, and does nothing


def _restore(owner: type, name: str, ours: Any, original: Any) -> None:
    if vars(owner).get(name) is ours:
        if original is None:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
