"""Work on a whole database outside of any task: prune it, price its calls anew, examine it, make a synthetic one."""

from ..storage.retention import Limits
from .demo import write_demo
from .pruning import Pruned, limits, prune
from .repricing import Repriced, reprice

__all__ = ["Limits", "Pruned", "Repriced", "limits", "prune", "reprice", "write_demo"]
