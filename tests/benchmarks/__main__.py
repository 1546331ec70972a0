"""Measure what recording costs, and print it beside its targets.

python -m tests.benchmarks [--peers] [--rounds N] [hot_path] [model_calls] [storage] [sustained] [adapters] [imports]
[transfer]
"""

import argparse
import subprocess

from . import adapters, hot_path, imports, model_calls, report, storage, sustained, transfer
from .hot_path import OURS_BATCH, OURS_COMMIT
from .peers import PEERS
from .processes import environment_for
from .spans import BARE_SPAN, SPAN_AND_INSERT


def main() -> None:
    """Measure the parts that were asked for, or all."""
    parts = {
        "hot_path": _hot_path,
        "model_calls": _model_calls,
        "storage": _storage,
        "sustained": _sustained,
        "adapters": _adapters,
        "imports": _imports,
        "transfer": _transfer,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(parts)} (default: all)")
    parser.add_argument("--rounds", type=int, default=25, help="rounds of each measurement (default: 25)")
    parser.add_argument("--executions", type=int, default=200_000, help="of the sustained run (default: 200000)")
    parser.add_argument("--rows", type=int, default=200_000, help="of the transfer (default: 200000)")
    parser.add_argument(
        "--peers", action="store_true", help="measure the peers that are not installed too, in environments made for it"
    )
    options = parser.parse_args()
    if unknown := set(options.parts) - parts.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    report.print_machine()
    for name in options.parts or parts:
        parts[name](options)


def _hot_path(options: argparse.Namespace) -> None:
    measured = hot_path.measure(options.rounds)
    report.print_hot_path(f"One call, and how often it is a {BARE_SPAN}", measured.costs)
    (batch,) = [cost.ratios for cost in measured.costs if cost.name == OURS_BATCH]
    report.print_hot_path_target(OURS_BATCH, batch, BARE_SPAN, most=2.0)
    report.print_hot_path_target(OURS_COMMIT, measured.commit_per_insert, SPAN_AND_INSERT, most=1.5)
    if options.peers:
        _peers(options)


def _peers(options: argparse.Namespace) -> None:
    for peer in PEERS:
        if peer.is_installed:
            continue
        try:
            python = environment_for(peer)
            figures = hot_path.measure_elsewhere(python, peer, options.rounds)
        except subprocess.CalledProcessError as error:
            report.console.print(f"{peer.name} could not be measured: {error}")
            continue
        report.print_hot_path(f"{peer.name}, in an environment of its own", figures)


def _model_calls(options: argparse.Namespace) -> None:
    measured = model_calls.measure(options.rounds)
    costs = [
        hot_path.Cost(name, model_calls.microseconds(timings), timings.ratios()) for name, timings in measured.items()
    ]
    report.print_hot_path(f"One span, and how often it is a {model_calls.BARE}", costs)


def _storage(options: argparse.Namespace) -> None:
    rates = storage.measure(options.rounds)
    report.print_storage(rates)
    reached = {rate.name: rate.ours_reaches for rate in rates}
    for name, least in ((storage.EXECUTEMANY, 0.5), (storage.INSERT_ALL, 2.0)):
        report.print_target(f"beside {name}", f"{reached[name]:.2f} times", f"at least {least}", reached[name] >= least)


def _sustained(options: argparse.Namespace) -> None:
    endurance = sustained.measure(options.executions)
    report.print_sustained(endurance)
    missing = endurance.executions - endurance.rows
    report.print_target("executions dropped", f"{missing:,}", "none", missing == 0)
    growth = endurance.growth
    report.print_target("growth of peak memory", f"{growth:.2f} times", "at most 1.1", growth <= 1.1)


def _adapters(options: argparse.Namespace) -> None:
    ways = adapters.measure(options.rounds)
    report.print_adapters(ways)
    for way in ways:
        missing = way.executions - way.rows
        report.print_target(f"missing of {way.executions:,} by {way.name}", f"{missing:,}", "none", missing == 0)


def _imports(options: argparse.Namespace) -> None:
    times = imports.measure(options.rounds)
    report.print_imports(times)
    (ours,) = [time for time in times if time.statement == "import learning_instrument"]
    report.print_target(ours.statement, f"{ours.ratio:.2f} times", "at most 1.3", ours.ratio <= 1.3)


def _transfer(options: argparse.Namespace) -> None:
    report.print_transfer(transfer.measure(options.rows), options.rows)


if __name__ == "__main__":
    main()
