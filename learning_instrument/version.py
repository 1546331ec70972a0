"""The installed release."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _installed_version() -> str:
    try:
        return version("learning_instrument")
    except PackageNotFoundError:  # run from a source tree
        return "0"


# Not by the first execution: asking imports, and a child forked while another thread imports waits for it for ever.
__version__: Final = _installed_version()
