"""Work on a whole database outside of any task: prune it, delete from it, price its calls, examine it, make one."""

from ..rollups.keys import IndexedName
from ..storage.retention import Limits
from .deletion import Deleted, delete
from .demo import write_demo
from .indexing import drop_index, index, indexed
from .pruning import Pruned, limits, prune
from .repricing import Repriced, reprice
from .vectors import StoredVectors, delete_vectors, stored_vectors

__all__ = [
    "Deleted",
    "IndexedName",
    "Limits",
    "Pruned",
    "Repriced",
    "StoredVectors",
    "delete",
    "delete_vectors",
    "drop_index",
    "index",
    "indexed",
    "limits",
    "prune",
    "reprice",
    "stored_vectors",
    "write_demo",
]
