"""JSON and CSV of every report: the same columns for any executions, and all rows."""

import csv
import dataclasses
import io
import itertools
import json
import random
import subprocess
import sys
from datetime import timedelta

import pytest
from asking import NOON, answer, ask, document, record, rows, store
from every_command import REPORTS

from learning_instrument.analytics import ErrorGroup, Performance
from learning_instrument.analytics.error_groups import GroupCost
from learning_instrument.cli.json_and_csv import csv_names
from learning_instrument.columns import COLUMNS
from learning_instrument.maintenance import write_demo
from learning_instrument.outcome import ErrorType, Outcome

#: The memory that a list of so many takes, in a process that has no other threads.
LISTS = """
import json, os, sys, tracemalloc
from learning_instrument.analytics import executions
from learning_instrument.cli import main
executions._PAGE, peaks, printed = 25, [], sys.stdout
sys.stdout = open(os.devnull, "w")
for limit in ("50", "50", "200"):
    tracemalloc.start()
    try:
        main([*sys.argv[1:], "--limit", limit])
    except SystemExit:
        pass
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
json.dump(peaks, printed)
"""
#: Their keys are data: names of outcomes, of reasons, of what a task says.
MAPS = ("outcomes", "losses", "metadata")
LINES = [line for line in itertools.chain(*REPORTS.values()) if line[0] != "show" and "--details" not in line]


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The paths of databases with no execution, with one, and with many."""
    folder = tmp_path_factory.mktemp("columns")
    paths = [str(folder / f"{name}.db") for name in ("empty", "one", "many")]
    store(paths[0])
    store(
        paths[1], record(task_id="first", outcome=Outcome.ERROR, error_type=ErrorType.CRASH, error_message="it broke")
    )
    write_demo(paths[2], 400, now=NOON)
    return paths


def keys(document, place=()):
    """Yield each place of a JSON document that is an object, and its keys."""
    if isinstance(document, dict):
        yield place, tuple(document)
        for name, value in document.items():
            if name not in MAPS:
                yield from keys(value, (*place, name))
    elif isinstance(document, list):
        for item in document:
            yield from keys(item, (*place, "[]"))


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_columns_are_those_of_the_answer_for_any_rows(databases, line):
    """The first line of CSV, and the keys of each place in JSON; each row of CSV has them all."""
    sheets = [list(csv.reader(io.StringIO(ask(path, *line, "--csv").stdout))) for path in databases]
    found = {}
    for path in databases:
        text = ask(path, *line, "--json").stdout
        documents = map(json.loads, text.splitlines()) if line[0] == "tail" else [json.loads(text)]
        for place, names in itertools.chain(*map(keys, documents)):
            found.setdefault(place, set()).add(names)

    if line[0] != "tail":  # which has no heading before the first execution
        assert sheets[0][0] == sheets[1][0] == sheets[2][0]
    assert len(sheets[2]) > 2
    assert {len(row) for row in sheets[2]} == {len(sheets[2][0])}
    assert {place: names for place, names in found.items() if len(names) > 1} == {}


def test_fields_of_a_dataclass_are_columns_of_their_own():
    """Also where a row has none of it; lists stay one column."""
    assert csv_names(Performance)[:5] == ("group", "executions", "success_estimate", "success_low", "success_high")
    assert csv_names(ErrorGroup) == (
        *(field.name for field in dataclasses.fields(ErrorGroup) if field.name != "cost"),
        *(f"cost_{field.name}" for field in dataclasses.fields(GroupCost)),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The path of a database with more of everything than a table has."""
    path = str(tmp_path_factory.mktemp("all") / "learning.db")
    words = [f"{a}{b}" for a in ("red", "green", "blue", "black", "white") for b in ("fox", "dog", "cat", "cow", "hen")]
    store(
        path,
        *[
            record(
                solution_summary=f"{word} {word[::-1]}",
                timestamp=NOON - timedelta(minutes=number),
                **({"outcome": Outcome.ERROR, "error_type": ErrorType.CRASH, "error_message": word} if number else {}),
            )
            for number in range(2)
            for word in words
        ],
    )
    return path


@pytest.mark.parametrize(
    ("line", "name", "count"),
    [(["list"], None, 50), (["errors"], "groups", 25), (["patterns", "--min-support", "1"], "patterns", 25)],
    ids=["list", "errors", "patterns"],
)
def test_programs_get_all_rows_unless_they_say_how_many(path, line, name, count):
    """A table has twenty."""
    found = document(path, *line)
    limited = document(path, *line, "--limit", "3")

    assert len(rows(path, *line)) == len(found if name is None else found[name]) == count
    assert len(rows(path, *line, "--limit", "3")) == len(limited if name is None else limited[name]) == 3
    assert len([text for text in answer(path, *line).splitlines() if not text.endswith((".", "more."))]) == 21


@pytest.mark.parametrize("options", [["--csv"], pytest.param(["--json"], marks=pytest.mark.slow)])
def test_list_is_written_while_it_is_read(tmp_path, options):
    """However many there are, two pages of them are in memory."""
    path = str(tmp_path / "learning.db")
    store(path, *[record(task_description=random.Random(n).randbytes(2000).hex()) for n in range(200)])

    printed = subprocess.check_output([sys.executable, "-c", LISTS, "--database", path, "list", *options], text=True)

    _, few, many = json.loads(printed)
    assert many < 1.5 * few


def test_iterator_is_an_array_like_any_other(path, capsys):
    """Also of none."""
    for options in ([], ["--limit", "1"], ["--task-type", "other"]):
        text = ask(path, "list", "--json", *options).stdout

        assert text == json.dumps(json.loads(text), indent=2) + "\n"


def test_csv_of_list_can_be_imported(path, tmp_path):
    """It has the columns of the table."""
    file = tmp_path / "list.csv"
    file.write_text(answer(path, "list", "--csv"))
    assert tuple(rows(path, "list")[0]) == COLUMNS

    answer(str(tmp_path / "new.db"), "import", str(file))

    assert len(rows(str(tmp_path / "new.db"), "list")) == 50
