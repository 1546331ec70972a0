"""The tables of what storage costs, each beside its targets.

Targets in µs and ms are those of a machine where a bare span takes 16 µs: what is measured is converted to it.
"""

from collections.abc import Sequence

from rich.table import Table

from .derived import AT_ONCE, Derived
from .pace import NOMINAL_SPAN, Pace
from .report import console, print_target


def print_derived(ways: Sequence[Derived], pace: Pace) -> None:
    """Print what keeping the derived tables up to date costs a row."""
    table = _table(f"What follows the executions, a row; a bare span takes {pace.span:.1f} µs")
    for heading in ("processor time, µs", "bare spans"):
        table.add_column(heading, justify="right")
    for way in ways:
        for name, microseconds in {"everything": way.everything, **way.kinds}.items():
            table.add_row(f"{way.way}: {name}", f"{microseconds:.1f}", f"{microseconds / pace.span:.2f}")
    console.print(table)
    for way in ways:
        if way.way == AT_ONCE:
            print_microseconds(f"{way.way}, everything", way.everything, pace, most=12, aim=6)


def print_microseconds(what: str, microseconds: float, pace: Pace, most: float, aim: float | None = None) -> None:
    """Print what a row takes beside the most that it should take, both on the machine of the targets."""
    figure = f"{pace.nominal(microseconds):.1f} µs a row where a bare span takes {NOMINAL_SPAN:.0f}"
    wanted = f"at most {most:g} µs" if aim is None else f"at most {most:g} µs, aim {aim:g}"
    print_target(what, figure, wanted, pace.nominal(microseconds) <= most)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    return table
