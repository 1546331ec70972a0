"""Work on a whole database outside of any task: prune it, delete from it, price its calls, examine it, make one."""

from ..rollups.keys import IndexedName
from ..storage.retention import Limits
from .deletion import Deleted, delete
from .demo import write_demo
from .indexing import drop_index, index, indexed
from .pruning import Pruned, limits, prune
from .repricing import Repriced, reprice

__all__ = [
    "Deleted",
    "IndexedName",
    "Limits",
    "Pruned",
    "Repriced",
    "delete",
    "drop_index",
    "index",
    "indexed",
    "limits",
    "prune",
    "reprice",
    "write_demo",
]
