"""Work on a whole database outside of any task: prune it, price its calls anew, examine it, make a synthetic one."""

from ..rollups.keys import IndexedName
from ..storage.retention import Limits
from .demo import write_demo
from .indexing import drop_index, index, indexed
from .pruning import Pruned, limits, prune
from .repricing import Repriced, reprice

__all__ = [
    "IndexedName",
    "Limits",
    "Pruned",
    "Repriced",
    "drop_index",
    "index",
    "indexed",
    "limits",
    "prune",
    "reprice",
    "write_demo",
]
