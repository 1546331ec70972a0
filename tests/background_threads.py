"""The threads of the package, which ``threading`` does not list."""

import gc

from learning_instrument.safety.threads import BackgroundThread


def alive():
    """Return those that run."""
    return [found for found in gc.get_objects() if type(found) is BackgroundThread and found.is_alive()]
