"""The mix of tasks that executions are compared within: its dimensions, its bands of complexity, how many it takes."""

from collections.abc import Collection
from typing import Final

from ..rollups.measures import HAS_COMPLEXITY

#: The dimensions: cells of them are weighted alike on all sides.
MIX: Final = ("task_type", "model_tier")
#: Dimension -> what it decides: executions that differ in the first differ in the second.
_DECIDES: Final = {"model": "model_tier"}
#: Executions without which nothing is said of a side, and without which a cell is not in the mix.
ENOUGH: Final = 20
ENOUGH_IN_MIX: Final = 5
#: A cost of which a part is unknown is a lower bound. With more of them than this share, a lower mean may be one of
#: what is known.
MOST_PARTIAL: Final = 0.05
#: Bands of complexity are so wide, of 0 to 100, and so many of them are taken together.
_BAND: Final = 10
WIDTHS: Final = (1, 2, 5)
#: The SQL of the band of an execution; NULL where its complexity is unknown.
COMPLEXITY_BAND: Final = (
    f"CASE WHEN {HAS_COMPLEXITY} THEN min(CAST(complexity_score / {_BAND} AS INTEGER), {100 // _BAND - 1}) END"
)


def mix_without(names: Collection[str]) -> tuple[str, ...]:
    """Return the dimensions of the mix without *names* and what they decide: within these there is no common cell."""
    left_out = {*names, *(_DECIDES[name] for name in names if name in _DECIDES)}
    return tuple(name for name in MIX if name not in left_out)
