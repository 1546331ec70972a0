"""The tables."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from . import machine
from .adapters import Sent
from .answers import Answers
from .budget_enforcement import PLAIN, Enforcement
from .errors_grouping import Accuracy
from .groups import Grouped
from .imports import ImportTime
from .many_files import Import
from .options import Option
from .pages import Page
from .similar import Found, Timing
from .storage import Rate
from .sustained import Endurance
from .timing import Spread, Spreads, Timings
from .transfer import Transfer

console = Console(width=None if os.isatty(1) else 140, highlight=False)


def print_machine() -> None:
    """Say what the figures are measured on."""
    found = machine.versions()
    console.print(
        f"Python {found['python']}, SQLite {found['sqlite']}, OpenTelemetry SDK {found['opentelemetry-sdk']},"
        f" {os.cpu_count()} cores"
    )


def print_busyness(busyness: machine.Busyness) -> None:
    """Say how busy the machine was."""
    console.print(f"  The machine meanwhile: {busyness}.", soft_wrap=True)


def print_calls(title: str, costs: Mapping[str, Timings]) -> None:
    """Print what a call of each variant costs, and how often it is the yardstick's; with quartiles."""
    table = _table(title)
    for heading in ("loop", "times", "written", "times", "processor", "times", "later"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, timings in costs.items():
        wall, written, processor, later = (f"{nanoseconds / 1e3:.1f}" for nanoseconds in timings.typical())
        times = timings.spreads()
        figures = wall, f"{times.wall.median:.2f}", written, f"{times.written:.2f}", processor, f"{times.processor:.2f}"
        table.add_row(name, *figures, later)
    console.print(table)
    console.print(
        "  Microseconds. loop: wall time until the last call has returned; written: until everything is written;"
        " processor: of all threads, until then; later: processor time of closing, roll-ups and index."
        " Medians, and quartiles of the multiples.",
        soft_wrap=True,
    )


def print_times_target(name: str, times: Spread, yardstick: str, most: float, aim: float) -> None:
    """Print how often *name* is its yardstick, beside the most that it should be."""
    print_target(name, f"{times:.2f} times a {yardstick}", f"at most {most}, aim {aim}", times.median <= most)


def print_added(added: Mapping[str, Spreads], most: float) -> None:
    """Print what each option adds to a call, beside the most that it should."""
    for name, spreads in added.items():
        for what, spread in (("wall time", spreads.written), ("processor time", spreads.processor)):
            print_target(f"{name}, {what}", f"{spread:+.2f} bare spans", f"at most {most:+}", spread.median <= most)


def print_options(options: Sequence[Option]) -> None:
    """Print what each option costs."""
    table = _table("What each option costs, in bare SDK spans")
    for heading in ("written", "adds", "processor", "adds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for option in options:
        pairs = [(option.times.written, option.added.written), (option.times.processor, option.added.processor)]
        table.add_row(
            option.name, *[text for times, added in pairs for text in (f"{times.median:.2f}", f"{added:+.2f}")]
        )
    console.print(table)


def print_storage(rates: Sequence[Rate]) -> None:
    """Print the rates of the ways into the database."""
    table = _table("Storage, batches of 512")
    table.add_column("rows per second", justify="right")
    table.add_column("ours reaches", justify="right")
    table.add_column("by processor time, all that follows included", justify="right")
    for rate in rates:
        reached = [f"{times:.2f} times" for times in (rate.ours_reaches, rate.ours_reaches_by_processor)]
        table.add_row(rate.name, f"{rate.rows_per_second:,.0f}", *reached)
    console.print(table)
    if (deferred := max(rate.deferred for rate in rates)) > 0:
        console.print(f"  {deferred:.1%} of the rows were put off: measure again on a quiet machine")


def print_sustained(endurance: Endurance) -> None:
    """Print how the long run went."""
    table = _table(f"Sustained, {endurance.executions:,} executions in batch")
    table.add_column("", justify="right")
    table.add_row("rows", f"{endurance.rows:,}")
    table.add_row("lost", f"{endurance.lost:,}")
    table.add_row("rows per second", f"{endurance.rows_per_second:,.0f}")
    table.add_row("peak memory after a tenth", f"{endurance.early_peak_mb:.1f} MB")
    table.add_row("peak memory after all", f"{endurance.peak_mb:.1f} MB, {endurance.growth:.2f} times")
    console.print(table)


def print_adapters(ways: Sequence[Sent]) -> None:
    """Print what sending a task to a pool costs, plain and recorded."""
    table = _table("One task sent to a pool, in commit")
    for heading in ("to send, µs", "recorded", "times", "to finish, µs", "recorded", "times"):
        table.add_column(heading, justify="right")
    for way in ways:
        columns = zip(way.plain, way.recorded, way.ratios, strict=True)
        figures = [
            (f"{plain * 1e6:.0f}", f"{recorded * 1e6:.0f}", f"{ratio:.2f}") for plain, recorded, ratio in columns
        ]
        table.add_row(way.name, *[text for column in figures for text in column])
    console.print(table)


def print_imports(times: Sequence[ImportTime]) -> None:
    """Print how long the imports take."""
    table = _table("Import")
    table.add_column("ms", justify="right")
    table.add_column("times", justify="right")
    for time in times:
        table.add_row(time.statement, f"{time.milliseconds:.1f}", f"{time.ratio:.2f}")
    console.print(table)


def print_many_files(imports: Sequence[Import], executions: int) -> None:
    """Print how long each import took, beside that of one file by one process."""
    table = _table(f"An import of {executions:,} executions until all are stored")
    for heading in ("seconds", "times", "writer", "times", "readers"):
        table.add_column(heading, justify="right", no_wrap=True)
    first = imports[0]
    for each in imports:
        wall, own = each.seconds / first.seconds, each.writer / first.writer
        figures = f"{each.seconds:.1f}", f"{wall:.2f}", f"{each.writer:.1f}", f"{own:.2f}", f"{each.readers:.1f}"
        table.add_row(each.name, *figures)
    console.print(table)
    console.print(
        "  times: of the first line. writer, readers: processor time of the process that writes, and of those that"
        " read: where there are processors enough, the import takes what the writer takes.",
        soft_wrap=True,
    )


def print_transfer(transfers: Sequence[Transfer], rows: int) -> None:
    """Print how fast executions came in and went out."""
    table = _table(f"Transfer of {rows:,} executions, each once")
    table.add_column("rows per second", justify="right")
    table.add_column("of sqlite3's rate", justify="right")
    for transfer in transfers:
        share = "no sqlite3 here" if transfer.of_shell is None else f"{transfer.of_shell:.0%}"
        table.add_row(transfer.name, f"{transfer.rows_per_second:,.0f}", share)
    console.print(table)


def print_answers(answers: Answers) -> None:
    """Print how long each question takes, and what makes it fast."""
    table = _table(f"Questions about {answers.executions:,} executions")
    for heading in ("ours, seconds", "DuckDB, seconds", "times as fast"):
        table.add_column(heading, justify="right")
    for answer in answers.answers:
        table.add_row(answer.name, f"{answer.ours:.3f}", f"{answer.duckdb:.3f}", f"{answer.duckdb / answer.ours:.1f}")
    console.print(table)
    console.print(
        f"  roll-ups {answers.rollups_mb:.0f} MB beside {answers.table_mb:.0f} MB of executions;"
        f" all that follows takes in {answers.followed_per_second:,.0f} executions a second",
        soft_wrap=True,
    )


def print_groups(grouped: Grouped) -> None:
    """Print how long reports by a name of one's own choice take."""
    table = _table(f"Groups of {grouped.executions:,} executions")
    for heading in ("from the executions, seconds", "indexed, seconds"):
        table.add_column(heading, justify="right")
    for name, (rows, cube) in grouped.seconds.items():
        table.add_row(name, f"{rows:.2f}", "" if cube is None else f"{cube:.2f}")
    console.print(table)
    console.print(f"  indexed in {grouped.index_seconds:.0f} s of processor time: {grouped.cells:,} sums")


def print_pages(pages: Sequence[Page]) -> None:
    """Print how long the page of a report takes, and how large it is."""
    table = _table("The page of learning-instrument report")
    for heading in ("of the processor, seconds", "on the clock, seconds", "MB"):
        table.add_column(heading, justify="right")
    for page in pages:
        figures = f"{page.seconds:.1f}", f"{page.wall_seconds:.1f}", f"{page.megabytes:.2f}"
        table.add_row(f"{page.executions:,} executions", *figures)
    console.print(table)
    largest = pages[-1]
    print_target("seconds of the processor", f"{largest.seconds:.1f}", "at most 5", largest.seconds <= 5)
    print_target("size", f"{largest.megabytes:.2f} MB", "below 3 MB", largest.megabytes < 3)


def print_errors_grouping(title: str, accuracies: Sequence[Accuracy]) -> None:
    """Print how well each way groups failures."""
    table = _table(f"Grouping accuracy: {title}")
    for heading in ("mean", "lowest", "highest", "µs a message"):
        table.add_column(heading, justify="right")
    for way in accuracies:
        table.add_row(
            way.name, *[f"{share:.3f}" for share in (way.mean, way.lowest, way.highest)], f"{way.microseconds:.0f}"
        )
    console.print(table)


def print_similar(ways: Sequence[Found], timings: Sequence[Timing]) -> None:
    """Print how well executions of similar tasks are found, and how fast."""
    table = _table("Paraphrases of 20 tasks, 5 each, among 1,500 others")
    for heading in ("first is right", "nothing found", "right among what came", "close: right", "related", "far"):
        table.add_column(heading, justify="right")
    for way in ways:
        words = [f"{right:.2f} of {number}" for number, right in way.by_likeness.values()]
        table.add_row(way.way, f"{way.first_is_right:.2f}", f"{way.nothing:.0%}", f"{way.right:.2f}", *words)
    console.print(table)
    table = _table("A question to 2,000 executions of different descriptions")
    for heading in ("first, ms", "later, median ms", "of the processor"):
        table.add_column(heading, justify="right")
    for timing in timings:
        table.add_row(timing.way, *(f"{1000 * time:.0f}" for time in (timing.first, timing.later, timing.processor)))
    console.print(table)


def print_budget_enforcement(enforcements: Sequence[Enforcement]) -> None:
    """Print what was spent with each gate."""
    rounds = len(enforcements[0].multiples)
    table = _table(f"Spent when the last process stopped, of the limit; {rounds} rounds")
    for heading in ("durability", "mean", "highest", "plain gate", "highest", "times"):
        table.add_column(heading, justify="right")
    by_way = {(found.processes, found.durability, found.gate): found for found in enforcements}
    for (processes, durability, gate), ours in by_way.items():
        if gate != PLAIN:
            plain = by_way[processes, durability, PLAIN]
            figures = ours.mean, max(ours.multiples), plain.mean, max(plain.multiples), plain.mean / ours.mean
            table.add_row(f"{processes} processes", durability, *[f"{figure:.4f}" for figure in figures])
    console.print(table)


@dataclass(frozen=True)
class Target:
    """A figure beside its target."""

    what: str
    figure: str
    target: str
    is_reached: bool


#: All that were printed.
targets: Final[list[Target]] = []


def print_target(what: str, figure: str, target: str, is_reached: bool) -> None:
    """Print a figure beside its target."""
    targets.append(Target(what, figure, target, is_reached))
    console.print(
        f"  {'[green]reached[/]' if is_reached else '[red]missed [/]'}  {what}: {figure}; target: {target}",
        soft_wrap=True,
    )


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    return table
