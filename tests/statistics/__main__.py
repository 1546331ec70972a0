"""Print how often the package is right about simulated worlds.

python -m tests.statistics [--pairs N] [--processes N] [comparison] [burndown] [bursts]
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from . import burndown, bursts, comparison

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings, rows."""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _comparison(pairs: int, processes: int) -> Table:
    headings = ("world", "a side", "a change reported", "too few days", "95% interval covers", "0.90 to 0.80 seen")
    rows = comparison.measure(pairs, processes=processes)
    return headings, [(row.world, row.executions, *map(_share, row[2:])) for row in rows]


def _burndown(pairs: int, processes: int) -> Table:
    headings = ("world", "history", "runway", "has a band", "80% band covers", "earlier", "later")
    rows = burndown.measure(pairs)
    return headings, [
        (row.world, f"{row.history_days} days", f"{row.runway_days} days", *map(_share, row[3:])) for row in rows
    ]


def _bursts(pairs: int, processes: int) -> Table:
    headings = ("world", "executions a minute", "days on which a burst is told")
    return headings, [(row.world, str(row.pace), _share(row.told)) for row in bursts.measure(pairs)]


#: Each question: its title, and the function that measures it.
QUESTIONS: Final[dict[str, tuple[str, Callable[[int, int], Table]]]] = {
    "comparison": ("compare: two equal sides, and a fall of success", _comparison),
    "burndown": ("costs --budget: when a budget runs out", _burndown),
    "bursts": ("watch: days on which a burst of failures is told", _bursts),
}


def main() -> None:
    """Print a table for each question that was asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics", description=__doc__.partition("\n")[0])
    parser.add_argument("questions", nargs="*", metavar="question", help=f"{', '.join(QUESTIONS)} (default: all)")
    parser.add_argument("--pairs", type=int, default=1000, help="simulated of each world (default: 1000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(default: one for each processor)")
    options = parser.parse_args()
    unknown = set(options.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name, (title, measure) in QUESTIONS.items():
        if name in (options.questions or QUESTIONS):
            print(f"\n{title}; {options.pairs:,} of each world\n")
            print("\n".join(_lines(*measure(options.pairs, options.processes))))


def _lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
