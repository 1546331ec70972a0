"""The pickler that asks an object how it pickles: whether it sends functions by value, as cloudpickle and dill do."""

import functools
import importlib
import io
import logging
import os
import pickle
import sys
import threading
from types import FrameType, FunctionType
from typing import Any, Final, NamedTuple

from ..safety.guards import guarded, warn

log = logging.getLogger(__name__)

_PICKLERS: Final = (pickle.Pickler, pickle._Pickler)
_BY_NAME: Final = pickle._Pickler.save_global  # type: ignore[attr-defined]
#: The methods of picklers below which an object is asked: that of C's, and that of Python's.
_ASKING: Final = ("dump", "save")
_OVERRIDE: Final = "reducer_override"


def asking_pickler() -> Any:
    """Return the pickler that called ``__reduce__``, which calls this; None for that of C.

    Every library that sends functions by value has a pickler written in Python, and many have their own copy of
    cloudpickle; the frame is what they have in common.
    """
    frame = sys._getframe(2)
    if frame.f_code.co_name not in _ASKING:
        return None
    pickler = frame.f_locals.get("self")
    return pickler if issubclass(type(pickler), _PICKLERS) else None


def takes_by_value(pickler: Any, function: Any) -> bool:
    """Tell whether *pickler* would send *function* by value, if it were the plain function that it stands for."""
    override = getattr(pickler, _OVERRIDE, None)
    if override is not None:  # cloudpickle's: it knows which modules were registered to be sent by value
        reduced = guarded(override, function)
        return reduced is not None and reduced is not NotImplemented
    save = getattr(pickler, "dispatch", {}).get(FunctionType, _BY_NAME)  # dill's, which may be everybody's
    return save is not _BY_NAME and function.__module__ == "__main__"


def is_to_be_reduced(frame: FrameType | None) -> bool:
    """Tell whether *frame* is a pickler's, which would take what claims to be a function apart.

    It is not where :func:`takes_by_value` asks.
    """
    if frame is None or frame.f_code.co_name != _OVERRIDE:
        return False
    while frame is not None and frame.f_code.co_name == _OVERRIDE:
        frame = frame.f_back
    return frame is None or frame.f_code is not guarded.__code__


class Parcel(NamedTuple):
    """A user's value, pickled by itself: neither the pickling nor the loading of what it belongs to fails with it."""

    what: str
    #: What a process does without it.
    otherwise: str
    #: None where it does not pickle.
    data: bytes | None
    #: The module whose ``loads`` loads it.
    module: str


RECORDS_WITHOUT: Final = "record without it"


class _Packing(threading.local):
    #: Whether this thread packs: what is recorded within a value goes without its own, else there would be no end.
    is_on = False


_packing: Final = _Packing()


def packed(value: Any, what: str, pickler: Any, otherwise: str = RECORDS_WITHOUT) -> Parcel:
    """Return *value*, pickled as *pickler* pickles; without it, and with a warning, where that fails."""
    if _packing.is_on:
        return Parcel(what, otherwise, None, "")
    _packing.is_on = True
    try:
        data = guarded(_dumped, value, pickler)
    finally:
        _packing.is_on = False
    if data is None:
        warn_of_pickling(what, otherwise)
    return Parcel(what, otherwise, data, _module_of(pickler))


def opened(parcel: Parcel) -> Any:
    """Return the value of *parcel*; None, with a warning, where it cannot be loaded here."""
    if parcel.data is None:
        return None
    value = guarded(_loaded, parcel)
    if value is None:
        _warn_of_loading(parcel.what, parcel.otherwise)
    return value


def _dumped(value: Any, pickler: Any) -> bytes:
    if pickler is None:
        return pickle.dumps(value)
    file = io.BytesIO()
    type(pickler)(file).dump(value)
    return file.getvalue()


def _loaded(parcel: Parcel) -> Any:
    return importlib.import_module(parcel.module).loads(parcel.data)


def _module_of(pickler: Any) -> str:
    """Return the module of the class of *pickler*, or of one of its bases, that has ``loads``: dill's differs."""
    names = (cls.__module__ for cls in type(pickler).__mro__)
    return next((name for name in names if hasattr(sys.modules.get(name), "loads")), "pickle")


@functools.lru_cache(maxsize=64)
def warn_of_pickling(what: str, otherwise: str = RECORDS_WITHOUT) -> None:
    """Log a warning, once for each value."""
    warn(log, "%s does not pickle: other processes %s.", what, otherwise)


@functools.lru_cache(maxsize=64)
def _warn_of_loading(what: str, otherwise: str) -> None:
    warn(log, "%s cannot be loaded in process %d, which is to %s.", what, os.getpid(), otherwise)
