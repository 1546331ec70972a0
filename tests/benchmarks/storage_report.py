"""The tables of what storage costs, each beside its targets.

Targets in µs and ms are those of a machine where a bare span takes 16 µs: what is measured is converted to it.
"""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from .derived import AT_ONCE, Derived
from .forks import ALONE, CLOSE, FORK, NO_DATABASE, OPEN, OTHERS_RECORD, THREADS_RECORD, Step
from .growth import Written
from .indexes import Indexes
from .pace import NOMINAL_SPAN, Pace
from .readers import Situation
from .report import console, print_target
from .upkeep import MOST_LOG_MB, Upkeep

#: Step and situation -> the most ms of wall time, on a quiet machine; of a fork, over one without a database.
_MOST_MILLISECONDS: Final = {
    (FORK, ALONE): 2,
    (FORK, THREADS_RECORD): 10,
    (FORK, OTHERS_RECORD): 10,
    (OPEN, OTHERS_RECORD): 10,
    (CLOSE, OTHERS_RECORD): 10,
}


def print_derived(ways: Sequence[Derived], pace: Pace) -> None:
    """Print what keeping the derived tables up to date costs a row."""
    table = _table(f"What is derived from the executions, a row; a bare span takes {pace.span:.1f} µs")
    for heading in ("processor time, µs", "bare spans"):
        table.add_column(heading, justify="right")
    for way in ways:
        for name, microseconds in {"everything": way.everything, **way.kinds}.items():
            table.add_row(f"{way.way}: {name}", f"{microseconds:.1f}", f"{microseconds / pace.span:.2f}")
    console.print(table)
    for way in ways:
        if way.way == AT_ONCE:
            print_microseconds(f"{way.way}, everything", way.everything, pace, most=12, aim=6)


def print_upkeep(works: Sequence[Upkeep], pace: Pace) -> None:
    """Print what maintenance costs a row, and how long the write-ahead log became."""
    table = _table(f"Maintenance; a bare span takes {pace.span:.1f} µs")
    for heading in ("processor time a row, µs", "bare spans", "longest log, MB"):
        table.add_column(heading, justify="right")
    for work in works:
        cost = work.microseconds_per_row
        figures = ("", "") if cost is None else (f"{cost:.1f}", f"{cost / pace.span:.2f}")
        table.add_row(work.name, *figures, f"{work.log_mb:.0f}")
    console.print(table)
    for work in works:
        if work.microseconds_per_row is not None:
            print_microseconds(work.name, work.microseconds_per_row, pace, most=20)
        is_short = work.log_mb <= MOST_LOG_MB
        print_target(f"{work.name}, longest log", f"{work.log_mb:.0f} MB", f"at most {MOST_LOG_MB:.0f} MB", is_short)


def print_forks(steps: Sequence[Step]) -> None:
    """Print how long forks, opening and closing take."""
    table = _table("Forks, opening and closing")
    for heading in ("median, ms", "longest, ms", "processor time of the thread, ms"):
        table.add_column(heading, justify="right")
    for step in steps:
        name = ", ".join(filter(None, (step.step, step.durability, step.situation)))
        table.add_row(name, *(f"{time:.2f}" for time in (step.median, step.longest, step.processor)))
    console.print(table)
    (without,) = [step.median for step in steps if step.step == NO_DATABASE]
    for step in steps:
        most = _MOST_MILLISECONDS.get((step.step, step.situation))
        if most is not None:
            added, over = (step.median - without, f", over a {NO_DATABASE}") if step.step == FORK else (step.median, "")
            what = f"{step.step}, {step.durability}, {step.situation}{over}"
            print_target(what, f"{added:.2f} ms", f"at most {most:g} ms", added <= most)


def print_readers(situations: Sequence[Situation]) -> None:
    """Print what a recorded task takes beside readers, and how often it is one without."""
    table = _table("A recorded task that does nothing, in commit, beside readers of `serve`")
    for heading in ("median, µs", "p95, µs", "times", "longest, ms", "log, MB", "answered", "failed"):
        table.add_column(heading, justify="right")
    alone, loaded, read = situations
    for each in situations:
        times, longest = each.p95 / alone.p95, each.longest / 1000
        figures = f"{each.median:.0f}", f"{each.p95:.0f}", f"{times:.2f}", f"{longest:.0f}", f"{each.log_mb:.0f}"
        table.add_row(each.name, *figures, f"{each.answered:,}", f"{each.failed:,}")
    console.print(table)
    print_target("requests that failed", f"{read.failed:,}", "none", read.failed == 0)
    times = read.p95 / loaded.p95
    print_target(f"p95 beside that with {loaded.name}", f"{times:.2f} times", "at most 2", times <= 2)


def print_growth(files: tuple[Written, Written], pace: Pace) -> None:
    """Print what a row costs in a small file and in a large one."""
    small, large = files
    table = _table(f"A row in batch, µs of processor time; a bare span takes {pace.span:.1f}")
    for written in (small, large):
        table.add_column(f"{written.executions:,} rows", justify="right")
    table.add_column("times", justify="right")
    parts = {
        "insert": (small.insert, large.insert),
        "checkpoints": (small.checkpoint, large.checkpoint),
        "the background, but for reports": (small.write, large.write),
        "roll-ups, error counts, words": (small.derived, large.derived),
        "the background": (small.everything, large.everything),
    }
    for name, (in_small, in_large) in parts.items():
        table.add_row(name, f"{in_small:.1f}", f"{in_large:.1f}", f"{in_large / in_small:.2f}")
    console.print(table)
    growth = large.write / small.write
    print_target("growth of a row's cost", f"{growth:.2f} times", "at most 1.15, aim 1.05", growth <= 1.15)
    look_up = f"{small.look_up:.1f} and {large.look_up:.1f} ms of processor time at the longest"
    print_target("look-up by the id of a task", look_up, "at most 5 ms", large.look_up <= 5)


def print_indexes(indexes: Indexes, pace: Pace) -> None:
    """Print what each index costs a row."""
    table = _table(
        f"Indexes of executions; a row takes {indexes.row:.1f} µs of processor time, a bare span {pace.span:.1f}"
    )
    table.add_column("of")
    table.add_column("for")
    for heading in ("a row, µs", "bare spans", "MB"):
        table.add_column(heading, justify="right")
    for index in indexes.indexes:
        cost = index.microseconds
        table.add_row(
            index.name, index.of, index.purpose, f"{cost:.1f}", f"{cost / pace.span:.2f}", f"{index.megabytes:.1f}"
        )
    console.print(table)


def print_microseconds(what: str, microseconds: float, pace: Pace, most: float, aim: float | None = None) -> None:
    """Print what a row takes beside the most that it should take, both on the machine of the targets."""
    figure = f"{pace.nominal(microseconds):.1f} µs a row where a bare span takes {NOMINAL_SPAN:.0f}"
    wanted = f"at most {most:g} µs" if aim is None else f"at most {most:g} µs, aim {aim:g}"
    print_target(what, figure, wanted, pace.nominal(microseconds) <= most)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    return table
