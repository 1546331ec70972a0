"""The fleet: the same questions, answered by ClickHouse from the spans of many machines. Public."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .address import Address
    from .database import FleetDatabase
    from .pulling import pull
    from .pushing import PushAnswer, push

__all__ = ["Address", "FleetDatabase", "PushAnswer", "pull", "push"]

_HOMES = {
    "Address": "address",
    "FleetDatabase": "database",
    "PushAnswer": "pushing",
    "pull": "pulling",
    "push": "pushing",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the plain install lacks what most of them need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value
