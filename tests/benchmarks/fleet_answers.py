"""How long answers of a fleet take on millions of executions: from cubes, from rows, and a file's from roll-ups.

    python -m tests.benchmarks.fleet_answers [--rows N] [--folder FOLDER] [--rounds N]

ClickHouse is in this process. The executions are drawn in it, from the distributions of ``answers``.
"""

import argparse
import contextlib
import dataclasses
import itertools
import statistics
import tempfile
import time
import unittest.mock
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from learning_instrument import message_templates
from learning_instrument.analytics.sources.cube_rows import CubeQuestion, LargestGroups
from learning_instrument.analytics.sources.failures import Failures
from learning_instrument.fleet import failures as fleet_failures
from learning_instrument.fleet import schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import Client, connect
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.refresh import refresh
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection

from .answers import CUSTOMERS, DAYS, POOLS, REPOS, TASK_TYPES, TIERS, database_of
from .error_messages import failures
from .questions import questions

_SLICE: Final = 250_000


class Timed(NamedTuple):
    """The seconds that one question took: the fleet's from cubes and from executions, and a file's."""

    question: str
    cubes: float
    rows: float
    file: float


class RowsAlone(FleetDatabase):
    """A fleet that has no sums."""

    def groups(self, question: CubeQuestion) -> LargestGroups:
        """Return the totals of each group, of executions."""
        return super().groups(dataclasses.replace(question, with_cubes=False))

    def failures(self, selection: Selection) -> list[Failures]:
        """Return the failures, of executions."""
        with unittest.mock.patch.object(fleet_failures, "KEPT", "nothing"):
            return super().failures(selection)

    def has_cube(self, by: Sequence[str], selection: Selection) -> bool:
        """Tell that there is none."""
        return False


def fill(client: Client, rows: int) -> None:
    """Draw so many executions of the last weeks, in ClickHouse."""
    columns = {name: expression for name, expression in _columns().items() if not name.startswith("_")}
    drawn = ", ".join(f"{expression} AS {name}" for name, expression in _columns().items())
    messages = [
        (failure.message[:1000], failure.exception_type or "", message_templates.mask(failure.message[:1000]))
        for failure in failures(2000)
    ]
    for start in range(0, rows, _SLICE):
        client.execute(
            f"INSERT INTO learning_instrument_executions ({', '.join(columns)})"
            f" WITH {{messages:Array(Tuple(String, String, String))}} AS _messages SELECT {', '.join(columns)}"
            f" FROM (SELECT {drawn} FROM numbers({start}, {min(_SLICE, rows - start)}))",
            {"messages": messages, "rows": rows},
        )


def _columns() -> Mapping[str, str]:
    """Return column -> how it is drawn; those that begin with an underscore are of use for others alone."""
    random = (f"rand64({number}) / 18446744073709551616" for number in itertools.count())
    tier = {name: weight for name, (weight, *_) in TIERS.items()}
    of_tier = [
        ", ".join(f"model_tier = '{name}', {of[number]}" for name, of in TIERS.items()) for number in range(1, 4)
    ]
    dollars, seconds, share = (f"multiIf({pairs}, 0)" for pairs in of_tier)
    return {
        "_ns": f"toInt64(1785542400 * 1e9 + {DAYS} * 86400e9 * number / {{rows:Int64}}) + rand(1) % 1000000",
        "_failure": "_messages[1 + rand(2) % length(_messages)]",
        "_is_priced": f"{next(random)} < 0.9",
        "task_id": "concat('task-', toString(number))",
        "timestamp": "formatDateTime(fromUnixTimestamp64Nano(_ns, 'UTC'), '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC')",
        "task_type": _drawn(TASK_TYPES, next(random)),
        "repo": _drawn(REPOS, next(random)),
        "model_tier": _drawn(tier, next(random)),
        "pool_type": _drawn(POOLS, next(random)),
        "task_description": "concat(task_type, ' of module ', toString(number % 977), ' in ', repo,"
        " ': as described in the ticket as described in the ticket')",
        "file_count": "number % 9",
        "estimated_tokens": "120",
        "routing_confidence": "0.9",
        "complexity_score": "40",
        "success": f"{next(random)} < {share}",
        "duration_seconds": f"{seconds} * randLogNormal(0, 1)",
        "quality_score": f"if(success AND number % 3 = 0, 60 + 40 * {next(random)}, NULL)",
        "actual_cost": f"if(_is_priced, {dollars} * randLogNormal(0, 0.8), 0)",
        "cost_estimate": "if(_is_priced, actual_cost * randLogNormal(-0.2, 0.4), 0)",
        "error_type": "if(success, NULL, 'unknown')",
        "exception_type": "if(success OR _failure.2 = '', NULL, _failure.2)",
        "error_message": "if(success, NULL, _failure.1)",
        "message_template": "if(success, NULL, _failure.3)",
        "metadata": 'concat(\'{"pool_id":"\', pool_type, \'-1","task":{"n":\', toString(number),'
        f" ',\"customer\":\"', {_drawn(CUSTOMERS, next(random))}, '\"}}}}')",
        "trace_id": "lower(concat(hex(rand64(20)), hex(rand64(21))))",
        "span_id": "lower(hex(rand64(22)))",
        "execution_id": "concat(leftPad(lower(hex(_ns)), 16, '0'), '-', trace_id, '-', span_id)",
        "pool_id": "concat(pool_type, '-1')",
        "worker_id": "concat(pool_type, '-', toString(number % 60))",
        "outcome": "if(success, 'succeeded', ['failed', 'failed', 'error', 'timeout', 'cancelled'][1 + rand(3) % 5])",
        "queue_seconds": "if(number % 2 = 1, randExponential(2), NULL)",
        "model": "concat('model-', model_tier)",
        "input_tokens": "if(_is_priced, 200 + rand(4) % 8800, NULL)",
        "output_tokens": "if(_is_priced, 20 + rand(5) % 1980, NULL)",
        "cost_source": "if(_is_priced, 'priced', 'unpriced')",
        "service_name": "'agents'",
        "process_id": "4000 + number % 8",
        "defaulted": "if(_is_priced, '[]', '[\"cost_estimate\",\"actual_cost\"]')",
    }


def _drawn(weights: Mapping[str, Any], uniform: str) -> str:
    """Return the SQL of a name that is drawn by its weight; *uniform*: that of a number from 0 to 1."""
    names = "', '".join(weights)
    totals = [*itertools.accumulate(float(weight) for weight in weights.values())]
    shares = ", ".join(f"{total / totals[-1]:.9f}" for total in totals)
    return f"['{names}'][arrayFirstIndex(share -> share >= {uniform}, [{shares}])]"


def measure(address: str, file: Path, rounds: int) -> list[Timed]:
    """Return the times of each question."""
    with FleetDatabase(address) as fleet, RowsAlone(address) as rows, ReadOnlyDatabase(str(file)) as database:
        asked, asked_of_file = questions(fleet), questions(database)
        found = []
        for name, question in asked.items():
            asks: list[Callable[[], Any]] = [
                lambda question=question: question(fleet),
                lambda question=question: question(rows),
                lambda name=name: asked_of_file[name](database),
            ]
            times = [[_seconds(ask) for ask in asks] for _ in range(rounds)]
            found.append(Timed(name, *map(statistics.median, zip(*times, strict=True))))
            print(f"{name:45} {found[-1].cubes:9.3f} {found[-1].rows:9.3f} {found[-1].file:9.3f}", flush=True)
        return found


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print a row for each question."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.fleet_answers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="executions of the fleet, and of the file (default: 5000000)"
    )
    parser.add_argument("--folder", type=Path, help="of a fleet to be kept; one that has executions is asked as it is")
    parser.add_argument("--rounds", type=int, default=3, help="of each question (default: 3)")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = f"chdb://{folder}"
        with connect(Address.parse(address), may_make=True) as client:
            if not client.rows("EXISTS learning_instrument_executions")[0]["result"]:
                _make(client, given.rows)
        file = database_of(given.rows)
        print(f"{'seconds, median':45} {'sums':>9} {'rows':>9} {'file':>9}")
        measure(address, file, given.rounds)


def _make(client: Client, rows: int) -> None:
    client.execute(
        "CREATE TABLE otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String,"
        " SpanName String, SpanKind String, ServiceName String, ScopeName String, ScopeVersion String,"
        " SpanAttributes Map(String, String), ResourceAttributes Map(String, String), Duration UInt64,"
        " StatusCode String, StatusMessage String) ENGINE = MergeTree ORDER BY (ServiceName, SpanName, Timestamp)"
    )
    schema.init(client)
    print(f"{rows:,} executions drawn in {_seconds(lambda: fill(client, rows)):.1f} s")
    print(f"rolled up by refresh in {_seconds(lambda: refresh(client, 0)):.1f} s")


if __name__ == "__main__":
    main()
