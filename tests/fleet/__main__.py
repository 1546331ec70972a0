"""Compare every answer about a file with that about a fleet, and print a table.

    python -m tests.fleet [--executions N] [--days N] [--through map|json|rotel] [--seed N] [--keep FOLDER]

An application runs for weeks of virtual time. The real recording stores its executions in a file, and its spans are
delivered as OTLP, every request twice: through the collector rotel and its inserts into ClickHouse, or put into the
Collector's table as the Collector's exporter does, whose attributes are maps or JSON. ClickHouse is in this process.
"""

import argparse
import contextlib
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]  # as pytest finds the modules of tests

from freezegun import freeze_time  # noqa: E402

from fleet import both, equality  # noqa: E402
from learning_instrument.fleet.database import FleetDatabase  # noqa: E402
from learning_instrument.sqlite.read_only import ReadOnlyDatabase  # noqa: E402

#: The end of what the application does, and the time of the questions.
_END = datetime(2026, 11, 28, tzinfo=timezone.utc)


def main() -> int:
    """Compare; return 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--executions", type=int, default=2000, help="about how many (default: 2000)")
    parser.add_argument("--through", choices=("map", "json", "rotel"), default="map", help="the path of the spans")
    parser.add_argument("--days", type=int, default=45, help="for how long the application runs (default: 45)")
    parser.add_argument("--seed", type=int, default=1, help="what the executions are drawn from (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder for file and fleet, to be kept")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = both.make(
            folder, folder / "chdb", given.executions, _END, through=given.through, days=given.days, seed=given.seed
        )
        print(f"{made.executions:,} executions; {made.spans:,} spans in otel_traces, all twice; by {given.through}")
        for what, seconds in made.seconds.items():
            print(f"{what}: {seconds:.1f} s")
        stack.enter_context(freeze_time(_END))
        databases = [stack.enter_context(each) for each in (ReadOnlyDatabase(made.file), FleetDatabase(made.address))]
        compared = []
        for each in equality.compare(made.file, made.address, databases, _END):
            compared.append(each)
            print(equality.row(each), flush=True)
        print(equality.total(compared))
    return int(any(each.difference for each in compared))


if __name__ == "__main__":
    sys.exit(main())
