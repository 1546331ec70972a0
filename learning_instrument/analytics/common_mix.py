"""The mix of tasks that several values share: cells in which each has enough executions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..columns import UNKNOWN
from .blocks import CellName, Cells, regrouped
from .mix import ENOUGH, ENOUGH_IN_MIX, WIDTHS

#: A value joins the mix if this share of its executions, and of those of each value before, are in it then.
_COMMON: Final = 0.5
#: Bands of complexity are as wide as the first width with which this share of each value that is compared without them
#: still is.
_KEPT: Final = 0.8


@dataclass(frozen=True, slots=True)
class CommonMix:
    """The cells of all values, and those that several share."""

    dimensions: tuple[str, ...]
    cells: Mapping[str, Cells]
    #: The values that share a mix, at least two or none, and the names of its cells.
    values: tuple[str, ...]
    names: frozenset[CellName]
    #: Whether cells are those of a band of complexity as well.
    has_complexity: bool = False


def find_mix(cells: Mapping[str, Cells], dimensions: Sequence[str], fewer: Sequence[str], has_bands: bool) -> CommonMix:
    """Return the mix that the values share, the most frequent value first.

    Args:
        cells: value -> cells, by *dimensions*.
        dimensions: those that tell cells apart.
        fewer: those of them that do where the values share no mix otherwise: of values with a tier each, the tier is a
            part of what they differ in.
        has_bands: whether cells are those of bands of complexity as well, the last part of their names.
    """
    for within in dict.fromkeys((tuple(dimensions), tuple(fewer))):
        places = [number for number, each in enumerate(dimensions) if each in within]
        plain = _common(within, cells, _picked(places))
        if plain.values:
            break
    return (_banded(plain, cells, places) if has_bands else None) or plain


def compared(cells: Cells, names: Collection[CellName]) -> float:
    """Return how many executions are in the cells of *names*."""
    return sum(cells[name].total.executions for name in names)


def _picked(places: Sequence[int]) -> Callable[[CellName], CellName]:
    return lambda name: tuple(name[at] for at in places)


def _common(dimensions: tuple[str, ...], cells: Mapping[str, Cells], name: Callable[[CellName], CellName]) -> CommonMix:
    """Return the mix under other names of cells: each value joins, in its turn, that leaves enough comparable."""
    renamed = {value: regrouped(of_value, name) for value, of_value in cells.items()}
    values: tuple[str, ...] = ()
    names: frozenset[CellName] = frozenset()
    for value, of_value in renamed.items():
        own = frozenset(name for name, cell in of_value.items() if cell.total.executions >= ENOUGH_IN_MIX)
        both = names & own if values else own
        joined = (*values, value)
        if all(
            compared(renamed[each], both) >= max(ENOUGH, _COMMON * compared(renamed[each], renamed[each]))
            for each in joined
        ):
            values, names = joined, both
    if len(values) < 2:
        values, names = (), frozenset()
    return CommonMix(dimensions, renamed, values, names)


def _banded(plain: CommonMix, cells: Mapping[str, Cells], places: Sequence[int]) -> CommonMix | None:
    """Return the mix with the narrowest bands that leave most of it; None where complexity is not known of most."""
    for value in plain.values:
        known = [name for name in cells[value] if name[-1] != UNKNOWN]
        if compared(cells[value], known) < _COMMON * compared(cells[value], cells[value]):
            return None
    for width in WIDTHS:
        banded = _common(plain.dimensions, cells, _with_band(places, width))
        if not plain.values or banded.values != plain.values:
            continue  # values without a mix need not have the cells of one
        if all(
            compared(banded.cells[value], banded.names) >= _KEPT * compared(plain.cells[value], plain.names)
            for value in banded.values
        ):
            return replace(banded, has_complexity=True)
    return None


def _with_band(places: Sequence[int], width: int) -> Callable[[CellName], CellName]:
    def name(of: CellName) -> CellName:
        return *(of[at] for at in places), of[-1] if of[-1] == UNKNOWN else str(int(of[-1]) // width)

    return name
