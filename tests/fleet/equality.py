"""Every answer of a file and of a fleet, value by value, about the same executions."""

import csv
import functools
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click
from benchmarks.questions import asked_of_databases, questions
from click.testing import CliRunner

from learning_instrument.cli import main
from learning_instrument.cli.main import COMMANDS
from learning_instrument.safety.clocks import Clocks

#: Of commands that answer nothing from executions, or not by themselves, or of which a file has to be at hand.
NOT_ASKED: Final = {
    *("run", "pools", "demo", "open", "serve", "top", "tail", "watch", "feedback", "delete", "export", "import"),
    *("backup", "recover", "doctor", "prune", "rebuild", "index", "reprice"),
    *("fleet", "pull", "push"),
}
#: By which groups are asked for: with sums in cubes, and without.
_DIMENSIONS: Final = (
    *("task_type", "model_tier", "pool_type", "repo", "worker_id", "model", "day", "hour", "outcome"),
    *("cost_source", "attempt", "user_accepted", "function_name", "metadata.customer", "metadata.tags"),
)
#: What is estimated, and by how much answers may differ: quantiles by two bins of a histogram; and scores of what is
#: similar, for which a file estimates how many executions have a frequent word, and a fleet counts them. A quantile of
#: a comparison tells its own error: of many executions it is that of some 20,000, others in a file than in a fleet.
_ESTIMATED: Final = {re.compile(r"p(50|90|95|99)|median|quantile"): 0.015, re.compile(r"\.score$"): 0.02}
_SIZE: Final = re.compile(r"\b[\d.,]+ ?(bytes|[kMG]B)\b")


@dataclass(frozen=True)
class Compared:
    """One question, asked of both."""

    question: str
    #: How many values were compared.
    values: int
    #: Of them estimates that differ by less than their error.
    inexact: int
    #: The first difference; None: all are equal.
    difference: str | None
    file_seconds: float
    fleet_seconds: float


def compare(file: str, address: str, databases: Sequence[Any], end: datetime) -> Iterator[Compared]:
    """Ask everything of both.

    Args:
        file: the path of the file.
        address: the address of the fleet.
        databases: the same two, opened, for the questions of ``learning_instrument.analytics``.
        end: the time of the questions.
    """
    for line in lines(databases[0], end):
        yield _compared(" ".join(line), [functools.partial(_printed, where, line) for where in (file, address)])
    asked = questions(databases[0])
    assert {name.split()[0] for name in asked} == asked_of_databases()
    for name, question in asked.items():
        yield _compared(f"analytics.{name}", [functools.partial(_answer, question, each) for each in databases])


def lines(database: Any, end: datetime) -> Iterator[list[str]]:
    """Yield the command's lines of arguments: every command that answers, with several of its options."""
    middle = (end - timedelta(days=20, hours=3, minutes=7)).isoformat()
    ids = _some_executions(database)
    asked: dict[str, list[list[str]]] = {
        "summary": [[]],
        "performance": [[], *_by_each(), ["--by", "model_tier", "--by", "day"], ["--by", "repo", "--limit", "3"]],
        "costs": [[], *_by_each(), ["--budget", "500"], ["--by", "repo", "--limit", "3", "--days", "60"]],
        "errors": [[], ["--new-since", "14d"]],
        "compare": [
            ["--before", f"..{middle}", "--after", f"{middle}.."],
            ["--before", "14d..7d", "--after", "7d.."],
            ["--before", "model_tier=small", "--after", "model_tier=large"],
            ["--before", "metadata.version=1.3", "--after", "metadata.version=1.4"],
            ["--by", "model_tier"],
            ["--by", "metadata.customer"],
        ],
        "patterns": [[], ["--min-support", "1", "--limit", "5"]],
        "similar": [["Fix the crash in the parser module"], ["tests for übersicht", "--limit", "25"]],
        "list": [["--limit", "100"], ["--failed", "--limit", "50"]],
        "show": [[each] for each in ids],
        "report": [["--out", "-"]],
    }
    assert {*asked} == {*COMMANDS} - NOT_ASKED
    context = click.Context(main)
    for name, of_command in asked.items():
        command = main.get_command(context, name)
        assert command is not None
        options = {parameter.name for parameter in command.params}
        for line in of_command:
            more = ["--json"] if "as_json" in options else []
            yield [name, *line, *more]
        if {"since", "where"} <= options and name not in ("show", "report"):
            for narrowed in _narrowings(middle):
                yield [name, *of_command[0], *narrowed, *(["--json"] if "as_json" in options else [])]
        if "as_csv" in options:
            yield [name, *of_command[0], "--csv"]
            yield [name, *of_command[0]]
    yield ["report", "--out", "-", "--since", middle, "--budget", "500"]
    yield ["show", ids[0], "--out", "-"]


def _by_each() -> list[list[str]]:
    return [["--by", name] for name in _DIMENSIONS]


def _narrowings(middle: str) -> list[list[str]]:
    return [
        ["--since", "7d"],
        ["--since", middle, "--until", "3d"],
        ["--task-type", "bug_fix"],
        ["--repo", "repo-01", "--pool-type", "agents"],
        ["--model-tier", "unknown"],
        ["--where", "metadata.customer=acme"],
        ["--where", "outcome=timeout", "--since", "30d"],
        ["--where", "worker_id=w3"],
    ]


def _some_executions(database: Any) -> list[str]:
    """Return the ids of executions of several kinds."""
    kinds = {
        "success = 0": "timestamp DESC",
        "parent_execution_id IS NOT NULL": "timestamp",
        "batch_id IS NOT NULL": "timestamp",
        "execution_id IN (SELECT parent_execution_id FROM executions)": "timestamp",
        "execution_id IN (SELECT execution_id FROM feedback)": "timestamp",
        "attempt > 1": "timestamp",
        "cost_source = 'partial'": "timestamp",
        "execution_id IN (SELECT c.execution_id FROM model_calls AS c WHERE c.timestamp > '2000' AND c.cost > 0)": (
            "timestamp"
        ),
    }
    found = (
        database.query(f"SELECT execution_id FROM executions WHERE {kind} ORDER BY {order}, execution_id LIMIT 1")
        for kind, order in kinds.items()
    )
    return [row["execution_id"] for rows in found for row in rows]


def _answer(question: Callable[[Any], Any], database: Any) -> Any:
    return _without_ids(plain(question(database)))


def _printed(where: str, line: Sequence[str]) -> Any:
    """Return what the command prints, read by its format, and its exit code."""
    result = CliRunner().invoke(main, ["--database", where, *line])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    printed, told = result.stdout, nameless(result.stderr, where)
    if "--json" in line:
        document = json.loads(printed) if printed else None
        return {"told": told, "exit": result.exit_code, "document": _without_ids(document)}
    if "--csv" in line:
        rows = list(csv.DictReader(io.StringIO(printed)))
        return {"told": told, "exit": result.exit_code, "rows": _without_ids(rows)}
    return {"told": told, "exit": result.exit_code, "lines": _lines(nameless(printed, where))}


def _lines(text: str) -> list[str]:
    """Return the lines of a text, or the elements of a page."""
    return text.replace("<", "\n<").splitlines()


def _without_ids(document: Any) -> Any:
    """Return a document without the ids of feedback, which a file counts."""
    if isinstance(document, dict):
        return {name: _without_ids(value) for name, value in document.items() if name != "feedback_id"}
    return [*map(_without_ids, document)] if isinstance(document, list) else document


def nameless(text: str, where: str) -> str:
    """Return a text without the name and the size of its database."""
    for name in (where, where.replace("&", "&amp;"), where.rpartition("/")[2]):
        text = text.replace(name, "DATABASE")
    return _SIZE.sub("SIZE", text)


def _compared(question: str, ask: Sequence[Callable[[], Any]]) -> Compared:
    answers, seconds, faults = [], [], []
    for of, answer in zip(("the file", "the fleet"), ask, strict=True):
        began = Clocks.perf_counter()
        try:
            answers.append(answer())
        except Exception as error:
            faults.append(f"{of} raises {type(error).__name__}: {error}")
        seconds.append(Clocks.perf_counter() - began)
    counts = [0, 0]
    difference = " | ".join(faults) or next(differences(*answers, "", counts), None)
    return Compared(question, *counts, difference and difference[:600], *seconds)


def plain(answer: Any) -> Any:
    """Return an answer as JSON has it."""
    if is_dataclass(answer) and not isinstance(answer, type):
        return {field.name: plain(getattr(answer, field.name)) for field in fields(answer)}
    if isinstance(answer, Mapping):
        return {str(key): plain(value) for key, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(value) for value in answer]
    if isinstance(answer, (set, frozenset)):
        return sorted(plain(value) for value in answer)
    return answer if isinstance(answer, (int, float, str, type(None))) else str(answer)


def differences(file: Any, fleet: Any, where: str, counts: list[int]) -> Iterator[str]:
    """Yield how two answers differ; *counts* grows by the values compared, and by the inexact estimates."""
    if isinstance(file, dict) and isinstance(fleet, dict):
        if file != fleet and file.keys() == fleet.keys() == {"p95", "low", "high"}:
            counts[0] += 1
            counts[1] += 1
            if file["high"] < fleet["low"] or fleet["high"] < file["low"]:
                yield f"{where}: {_short(file)} and {_short(fleet)}"
            return
        for key in file.keys() | fleet.keys() if file.keys() != fleet.keys() else file:
            if key in file and key in fleet:
                yield from differences(file[key], fleet[key], f"{where}.{key}", counts)
            else:
                yield f"{where}.{key}: only in {'the file' if key in file else 'the fleet'}"
    elif isinstance(file, list) and isinstance(fleet, list):
        if len(file) != len(fleet):
            yield f"{where}: {len(file)} and {len(fleet)} long"
        for number, (one, other) in enumerate(zip(file, fleet)):  # noqa: B905 - the lengths are compared above
            yield from differences(one, other, f"{where}[{number}]", counts)
    else:
        counts[0] += 1
        if file == fleet and type(file) is type(fleet):
            return
        numbers = _number(file), _number(fleet)
        if None in numbers or not math.isclose(*numbers, rel_tol=1e-9, abs_tol=1e-12):
            errors = [error for name, error in _ESTIMATED.items() if name.search(where)]
            if None not in numbers and any(math.isclose(*numbers, rel_tol=error) for error in errors):
                counts[1] += 1
                return
            yield f"{where}: {_short(file)} and {_short(fleet)}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]}..."


def row(compared: Compared) -> str:
    """Return the row of a table."""
    inexact = f", {compared.inexact} estimates within their error" if compared.inexact else ""
    says = f"equal{inexact}" if compared.difference is None else f"DIFFER {compared.difference}"
    times = f"{compared.file_seconds:8.2f} {compared.fleet_seconds:8.2f}"
    return f"{compared.question:.100} | {compared.values:,} | {times} | {says}"


def total(compared: Sequence[Compared]) -> str:
    """Return the last row of the table."""
    equal = sum(each.difference is None for each in compared)
    return f"{equal} of {len(compared)} answers are equal; {sum(each.values for each in compared):,} values"
