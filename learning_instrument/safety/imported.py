"""Reads modules that may be imported, without importing them."""

import sys
from typing import Any


def imported(module: str, name: str) -> Any:
    """Return what *module* has under *name*; None if it has not been imported by now.

    Another thread may be in the middle of its import: then it is in ``sys.modules``, and has nothing yet.
    """
    return getattr(sys.modules.get(module), name, None)
