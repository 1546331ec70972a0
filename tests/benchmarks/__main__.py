"""Measure what recording costs, and print it beside its targets.

python -m tests.benchmarks [--peers] [--rounds N] [--json FILE] [hot_path] [options] [task_kinds] [model_calls]
    [storage] [sustained] [adapters] [imports] [transfer] [many_files] [answers] [groups] [errors_grouping]
    [budget_enforcement] [depth] [standing_tasks] [similar] [derived] [upkeep] [forks] [growth] [indexes]
    [readers] [pages] [fleet]
"""

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import (
    adapters,
    answers,
    budget_enforcement,
    depth,
    derived,
    errors_grouping,
    fleet,
    forks,
    groups,
    growth,
    hot_path,
    imports,
    indexes,
    json_report,
    machine,
    many_files,
    model_calls,
    options,
    pages,
    peers,
    readers,
    report,
    similar,
    standing_tasks,
    storage,
    storage_report,
    sustained,
    task_kinds,
    transfer,
    upkeep,
)
from .hot_path import BATCH, COMMIT
from .pace import Pace
from .spans import BARE_SPAN, SPAN_AND_INSERT


def main() -> None:
    """Measure the parts that were asked for, or all."""
    parts: dict[str, Callable[[argparse.Namespace], Any]] = {
        "hot_path": _hot_path,
        "options": _options,
        "task_kinds": _task_kinds,
        "model_calls": _model_calls,
        "storage": _storage,
        "sustained": _sustained,
        "adapters": _adapters,
        "imports": _imports,
        "transfer": _transfer,
        "many_files": _many_files,
        "answers": _answers,
        "groups": _groups,
        "errors_grouping": _errors_grouping,
        "budget_enforcement": _budget_enforcement,
        "depth": _depth,
        "standing_tasks": _standing_tasks,
        "similar": _similar,
        "derived": _paced(derived.measure, storage_report.print_derived),
        "upkeep": _paced(upkeep.measure, storage_report.print_upkeep),
        "forks": _forks,
        "growth": _paced(growth.measure, storage_report.print_growth),
        "indexes": _paced(indexes.measure, storage_report.print_indexes),
        "readers": _readers,
        "pages": _pages,
        "fleet": _fleet,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(parts)} (default: all)")
    parser.add_argument("--rounds", type=int, default=25, help="rounds of each measurement (default: 25)")
    parser.add_argument("--executions", type=int, default=200_000, help="of the sustained run (default: 200000)")
    parser.add_argument("--moved", type=int, default=100_000, help="executions of the transfer (default: 100000)")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="that answers are about; made once (default: 1000000)"
    )
    parser.add_argument(
        "--peers", action="store_true", help="measure the peers that are not installed too, in environments made for it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
    given = parser.parse_args()
    if unknown := set(given.parts) - parts.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    report.print_machine()
    measured: dict[str, Any] = {}
    busy: dict[str, machine.Busyness] = {}
    for name in given.parts or parts:
        watch = machine.Watch()
        measured[name] = parts[name](given)
        busy[name] = watch.read()
        report.print_busyness(busy[name])
        if given.json is not None:
            json_report.write(given.json, given.rounds, measured, busy, report.targets)


def _depth(options: argparse.Namespace) -> Any:
    return depth.main()


def _similar(options: argparse.Namespace) -> Any:
    embed = similar.local_model()
    timings, quality = similar.timings(embed), similar.quality(embed)
    report.print_similar(quality, timings)
    for timing in timings:
        figure = f"{1000 * timing.processor:.0f} ms of processor time"
        report.print_target(f"2,000 executions, {timing.way}", figure, "at most 50 ms", timing.processor <= 0.05)
    return {"quality": quality, "timings": timings}


def _paced(measure: Callable[[Pace], Any], show: Callable[[Any, Pace], object]) -> Callable[[argparse.Namespace], Any]:
    """Return the part that measures with bare spans in between."""

    def part(options: argparse.Namespace) -> Any:
        pace = Pace()
        measured = measure(pace)
        show(measured, pace)
        return {"bare_span_us": pace.span, "measured": measured}

    return part


def _forks(options: argparse.Namespace) -> Any:
    measured = forks.measure()
    storage_report.print_forks(measured)
    return measured


def _readers(options: argparse.Namespace) -> Any:
    measured = readers.measure(max(1, options.rounds // 5))
    storage_report.print_readers(measured)
    return measured


def _pages(options: argparse.Namespace) -> Any:
    measured = pages.measure(options.rows, max(1, options.rounds // 8))
    report.print_pages(measured)
    return measured


def _fleet(options: argparse.Namespace) -> Any:
    measured = fleet.measure()
    fleet.show(measured)
    return measured


def _standing_tasks(options: argparse.Namespace) -> Any:
    return standing_tasks.main()


def _hot_path(given: argparse.Namespace) -> Any:
    measured = hot_path.measure(given.rounds)
    elsewhere = _peers_elsewhere(given.rounds) if given.peers else {}
    awaited = measured.awaited | {name: timings for name, (_, timings) in elsewhere.items()}
    report.print_calls(f"One awaited call, and how often it is a {BARE_SPAN}", awaited)
    for name, (bare, _) in elsewhere.items():
        report.console.print(f"  {name}: in an environment of its own, where a {BARE_SPAN} took {bare}.")
    report.print_calls(f"One plain call, and how often it is a {BARE_SPAN}", measured.plain)
    batch, commit = measured.awaited[BATCH].spreads(), hot_path.commit_per_insert(measured.awaited)
    report.print_times_target(f"{BATCH}, wall time", batch.written, BARE_SPAN, most=2.0, aim=1.6)
    report.print_times_target(f"{BATCH}, processor time", batch.processor, BARE_SPAN, most=2.2, aim=1.7)
    report.print_times_target(f"{COMMIT}, wall time", commit.written, SPAN_AND_INSERT, most=1.4, aim=1.2)
    report.print_added(measured.added(), most=0.3)
    return {"awaited": awaited, "plain": measured.plain, "commit_per_insert": commit, "added": measured.added()}


def _peers_elsewhere(rounds: int) -> dict[str, Any]:
    """Measure the peers that are not installed: name -> the bare span's microseconds there, and its timings."""
    found: dict[str, Any] = {}
    for peer in peers.PEERS:
        if not peer.is_installed:
            try:
                bare, timings = peers.measure_elsewhere(peer, rounds).values()
            except subprocess.CalledProcessError as error:
                report.console.print(f"{peer.name} could not be measured: {error}")
            else:
                found[peer.name] = (f"{bare.typical().written / 1e3:.1f} µs", timings)
    return found


def _options(given: argparse.Namespace) -> Any:
    measured = options.measure(given.rounds)
    report.print_options(measured)
    return measured


def _task_kinds(given: argparse.Namespace) -> Any:
    measured = task_kinds.measure(given.rounds)
    report.print_calls(f"One plain call in batch, by its task, and how often it is a {BARE_SPAN}", measured)
    return measured


def _model_calls(given: argparse.Namespace) -> Any:
    measured = model_calls.measure(given.rounds)
    report.print_calls(f"One span, and how often it is a {model_calls.BARE}", measured)
    return measured


def _storage(options: argparse.Namespace) -> Any:
    rates = storage.measure(options.rounds)
    report.print_storage(rates)
    reached = {rate.name: rate.ours_reaches for rate in rates}
    for name, least, aim in ((storage.EXECUTEMANY, 0.6, 0.8), (storage.INSERT_ALL, 2.0, 2.5)):
        wanted = f"at least {least}, aim {aim}"
        report.print_target(f"beside {name}", f"{reached[name]:.2f} times", wanted, reached[name] >= least)
    return rates


def _sustained(options: argparse.Namespace) -> Any:
    endurance = sustained.measure(options.executions)
    report.print_sustained(endurance)
    missing = endurance.executions - endurance.rows
    report.print_target("executions dropped", f"{missing:,}", "none", missing == 0)
    growth = endurance.growth
    report.print_target("growth of peak memory", f"{growth:.2f} times", "at most 1.1", growth <= 1.1)
    return endurance


def _adapters(options: argparse.Namespace) -> Any:
    ways = adapters.measure(options.rounds)
    report.print_adapters(ways)
    for way in ways:
        missing = way.executions - way.rows
        report.print_target(f"missing of {way.executions:,} by {way.name}", f"{missing:,}", "none", missing == 0)
    return ways


def _imports(options: argparse.Namespace) -> Any:
    times = imports.measure(options.rounds)
    report.print_imports(times)
    (ours,) = [time for time in times if time.statement == "import learning_instrument"]
    report.print_target(ours.statement, f"{ours.ratio:.2f} times", "at most 1.3", ours.ratio <= 1.3)
    return times


def _transfer(options: argparse.Namespace) -> Any:
    measured = transfer.measure(options.moved)
    report.print_transfer(measured, options.moved)
    return measured


def _many_files(options: argparse.Namespace) -> Any:
    measured = many_files.measure(options.moved)
    report.print_many_files(measured, options.moved)
    return measured


def _answers(options: argparse.Namespace) -> Any:
    measured = answers.measure(options.rows)
    report.print_answers(measured)
    for answer in measured.answers:
        if answer.name in answers.TIMELY:
            figure = f"{answer.ours:.3f} s"
            report.print_target(answer.name, figure, "at most 0.3 s, and faster than DuckDB", answer.is_timely)
    error = measured.quantile_error
    report.print_target("quantiles beside exact ones", f"off by {error:.1%} at most", "at most 2%", error <= 0.02)
    return measured


def _groups(options: argparse.Namespace) -> Any:
    measured = groups.measure(options.rows)
    report.print_groups(measured)
    for name, (rows, cube) in measured.seconds.items():
        if name != groups.UNIQUE:
            report.print_target(name, f"{rows:.2f} s of processor time", "at most 3 s", rows <= 3)
        if cube is not None:
            report.print_target(f"{name}, indexed", f"{cube:.2f} s of processor time", "at most 0.3 s", cube <= 0.3)
    return measured


def _errors_grouping(options: argparse.Namespace) -> Any:
    measured = {
        "failures of agents and workers": errors_grouping.measure(),
        "failures that libraries raise": errors_grouping.measure_provoked(),
    }
    for title, accuracies in measured.items():
        report.print_errors_grouping(title, accuracies)
        means = {way.name: way.mean for way in accuracies}
        ours, theirs = means[errors_grouping.OURS], means[errors_grouping.DRAIN3]
        report.print_target(title, f"{ours:.3f}", f"at least drain3's {theirs:.3f}", ours >= theirs)
    return measured


def _budget_enforcement(options: argparse.Namespace) -> Any:
    measured = budget_enforcement.measure(max(1, options.rounds // 5))
    report.print_budget_enforcement(measured)
    return measured


if __name__ == "__main__":
    main()
