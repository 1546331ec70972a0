"""The installed version of this package."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _installed_version() -> str:
    try:
        return version("learning_instrument")
    except PackageNotFoundError:  # run from a source tree
        return "0"


# Read at import, not in the first execution: the call imports modules, and a child forked while another thread imports
# would wait for that import forever.
__version__: Final = _installed_version()
