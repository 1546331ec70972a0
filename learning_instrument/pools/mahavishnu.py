"""``mahavishnu``: all its pools, by the class they have in common."""

from . import Tools


def instrument(tools: Tools) -> None:
    """Record what mahavishnu's pools execute."""
    tools.patches.when_imported("mahavishnu.pools.base", lambda module: tools.instrument_target(module.BasePool))
