"""What a set or a mapping holds at one moment, though other threads change it."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def snapshot(items: Iterable[T]) -> list[T]:
    """Return what is in *items* now. Where another thread adds or removes something meanwhile, look again."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed its size
            continue
