"""``learning-instrument``: questions, answers, exit codes."""

import contextlib
import csv
import functools
import html
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.cli import main
from learning_instrument.cli.main import COMMANDS
from learning_instrument.columns import COLUMNS
from learning_instrument.maintenance import Limits, prune
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.record import row_from_record
from learning_instrument.storage.spill import SpillFiles
from learning_instrument.storage.statistics import Counters

COMMAND = Path(sys.executable).parent / "learning-instrument"
REPORTS = (
    "summary", "performance", "costs", "errors", "compare", "patterns", "similar", "list", "show", "tail",
    "export", "import",
)  # fmt: skip


def interrupted(*arguments, **keywords):
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


@functools.cache
def _file():
    parent = ExecutionRecord(
        task_type="review", task_id="parent", repo="shop", pool_type="agents", duration_seconds=2.5, actual_cost=0.5
    )
    records = [
        parent,
        ExecutionRecord(task_type="sub", task_id="child", parent_execution_id=parent.execution_id),
        ExecutionRecord(
            task_type="fix",
            task_id="broken",
            outcome=Outcome.ERROR,
            error_type=ErrorType.UNKNOWN,
            error_message="it\nbroke \x1b[31m[bold]",
            repo="site",
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "learning.db")
        with LearningDatabase(path) as database:
            database.append(records)
            database.add_feedback("parent", accepted=True, rating=5, comment="fine")
        return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    """The path of a database: a task with a sub-task, and a failure."""
    path = tmp_path / "learning.db"
    path.write_bytes(_file())
    return str(path)


@pytest.fixture
def ask(path):
    """Give the command a line of arguments; answer with the result. No traceback is an answer."""

    def ask(*arguments, database=path, **keywords):
        before = ["--database", database] if database is not None else []
        result = CliRunner().invoke(main, [*before, *arguments], **keywords)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return ask


def answer(result):
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


# Questions.


def test_list_shows_the_newest_first(ask):
    """In a pipe: plain text, each on one line, and nothing that a terminal would obey."""
    heading, *lines = answer(ask("list")).splitlines()

    assert " ".join(heading.split()) == "started (UTC) id task type pool tier outcome duration cost about"
    assert [line.split()[3] for line in lines] == ["fix", "sub", "review"]
    assert lines[0].endswith(r"it broke \u001b[31m[bold]")
    assert "$0.50" in lines[2]
    assert "\x1b" not in "".join(lines)


def test_filters_leave_what_is_meant(ask, subtests):
    for options, expected in [
        (["--failed"], ["broken"]),
        (["--limit", "1"], ["broken"]),
        (["--repo", "shop"], ["parent"]),
        (["--pool-type", "agents", "--task-type", "review"], ["parent"]),
        (["--model-tier", "large"], []),
        (["--since", "1h"], ["broken", "child", "parent"]),
        (["--since", "2999-01-01"], []),
        (["--until", "1h"], []),
        (["--until", "2999-01-01", "--limit", "1"], ["broken"]),
    ]:
        with subtests.test(" ".join(options)):
            assert [row["task_id"] for row in json.loads(ask("list", "--json", *options).stdout)] == expected


def test_csv_has_every_column(ask):
    rows = list(csv.DictReader(io.StringIO(answer(ask("list", "--csv")))))

    assert tuple(rows[0]) == COLUMNS
    assert [row["task_id"] for row in rows] == ["broken", "child", "parent"]
    assert rows[0]["error_message"] == "it\nbroke \\u001b[31m[bold]"


def test_nothing_found_is_said_and_is_no_error(ask):
    for options, nothing in ([], "No executions.\n"), (["--json"], "[]\n"), (["--csv"], ",".join(COLUMNS) + "\n"):
        result = ask("list", "--repo", "nowhere", *options)
        assert (result.exit_code, result.stdout) == (0, nothing)


def test_show_has_every_field_and_marks_defaults(ask):
    text = answer(ask("show", "parent"))

    for line in ("task_id             parent", "complexity_score    50 (default)", "actual_cost         $0.5000"):
        assert line in text.splitlines()
    assert "Feedback\n" in text
    assert "\nTimeline\n" in text
    assert "\n  sub " in text.partition("Timeline")[2]
    assert "Not reported: swarm_topology" in text


def test_show_is_one_json_document(ask):
    document = json.loads(answer(ask("show", "parent", "--json")))

    assert document["execution"]["task_id"] == "parent"
    assert [child["task_id"] for child in document["children"]] == ["child"]
    assert [(said["rating"], said["comment"]) for said in document["feedback"]] == [(5, "fine")]
    assert document["model_calls"] == []


def test_beginning_of_an_id_is_enough_where_it_is_the_only_one(ask):
    """Else the candidates are named."""
    ids = [row["execution_id"] for row in json.loads(answer(ask("list", "--json")))]

    assert json.loads(answer(ask("show", ids[0][:20], "--json")))["execution"]["execution_id"] == ids[0]
    assert json.loads(answer(ask("show", "par", "--json")))["execution"]["task_id"] == "parent"
    result = ask("show", ids[0][:4])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: Ambiguous execution id '{ids[0][:4]}': it begins several ids (")


def test_tail_shows_what_comes_in(path):
    """Until Ctrl-C, which is no failure worth a message."""
    with subprocess.Popen(
        [str(COMMAND), "--database", path, "tail", "--lines", "1", "--every", "0.05", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = json.loads(process.stdout.readline())
        with LearningDatabase(path) as database:
            database.append([ExecutionRecord(task_type="new", task_id="new")])
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        status = process.wait(30)

        assert [first["task_id"], second["task_id"]] == ["broken", "new"]
        assert (status, process.stderr.read().strip()) == (130, "")


def test_tail_follows_a_table_that_is_emptied(path):
    """The new executions get the numbers of those that were there."""
    with subprocess.Popen(
        [str(COMMAND), "--database", path, "tail", "--lines", "1", "--every", "0.05", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        prune(path, Limits(keep=0))
        with LearningDatabase(path) as database:
            database.append([ExecutionRecord(task_type="new", task_id=f"{n}") for n in range(20)])
        found = [json.loads(process.stdout.readline())["task_id"] for _ in range(20)]
        process.send_signal(signal.SIGINT)

    assert found == [f"{n}" for n in range(20)]


def test_tail_in_text_and_in_csv(ask):
    assert [line.split()[4] for line in answer(ask("tail", "--for", "0")).splitlines()] == ["succeeded"] * 2 + ["error"]
    assert len(list(csv.DictReader(io.StringIO(answer(ask("tail", "--for", "0", "--csv")))))) == 3
    assert answer(ask("tail", "--for", "0", "--lines", "0")) == ""
    reviews, sub = answer(ask("tail", "--for", "0")).splitlines()[:2]
    assert reviews.index("review") == sub.index("sub")


def test_rows_that_wait_are_said_on_one_line(ask, path):
    """On standard error, so that the answer stays as it is; prune takes them in before it counts."""
    before = ask("list", "--json").stdout
    row = row_from_record(ExecutionRecord(task_type="waiting"))
    SpillFiles(path, None, Counters(path)).write([row])

    for command in (["list", "--json"], ["summary", "--json"], ["export"]):
        told = ask(*command).stderr.splitlines()
        assert len(told) == 1, command
        assert told[0].startswith("1 execution in 1 spill file beside ")
    assert ask("list", "--json").stdout == before
    assert "spill file" in ask("prune", "--keep", "0", "--dry-run").stderr

    assert "Deleted 4 executions" in ask("prune", "--keep", "0", "--yes").stdout
    assert ask("list", "--json").stderr == ""


def test_no_failures_is_said_once(ask):
    assert answer(ask("errors", "--repo", "shop")) == "No failures in 1 execution.\n"


# Exit codes, and errors in one line.


def test_what_the_user_has_to_mend_is_one_line(ask, subtests):
    """With exit code 2."""
    for arguments, complaint in [
        (["show", "nobody"], "Unknown execution 'nobody'"),
        (["show", ""], "Invalid execution id ''"),
        (["show"], "Missing argument 'ID'. See learning-instrument show --help."),
        (["show", "a", "b"], "Got unexpected extra argument (b). See learning-instrument show --help."),
        (["list", "--since", "whenever"], "Invalid time 'whenever'"),
        (["list", "--json", "--csv"], "--json and --csv exclude each other"),
        (["list", "--limit", "none"], "Invalid value for '--limit'"),
        (["lisst"], "No such command 'lisst'."),
        (["feedback", "nobody", "--accept"], "Unknown execution 'nobody'"),
        (["feedback", "parent"], "Give an ID with --accept"),
        (["feedback", "--accept"], "Give an ID with --accept"),
        (["feedback", "parent", "--clear"], "Give an ID with --accept"),
        (["feedback", "parent", "--rating", "6"], "Invalid value for '--rating'"),
        (["feedback", "parent", "--rating", "3.5"], "Invalid value for '--rating'"),
        (["feedback", "--clear"], "Delete all feedback in "),
        (["prune"], "Missing limit"),
        (["prune", "--older-than", "old"], "Invalid age 'old'"),
        (["prune", "--max-size", "huge"], "Invalid max_size 'huge'"),
        (
            ["prune", "--max-size", "100KB"],
            "Invalid max_size '100KB': an empty database takes 0.25 MB; expected at least",
        ),
        (["prune", "--keep", "1"], "Delete 2 of 3 executions in "),
    ]:
        with subtests.test(" ".join(arguments)):
            result = ask(*arguments)

            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith(f"Error: {complaint}")
            assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "foreign", "newer"])
def test_wrong_file_is_one_line(ask, path, tmp_path, kind, subtests):
    """And is left as it is."""
    other = tmp_path / "other.db"
    if kind == "folder":
        other.mkdir()
    elif kind == "text":
        other.write_text("no database\n" * 1000)
    elif kind != "missing":
        if kind == "newer":
            other.write_bytes(Path(path).read_bytes())
        connection = sqlite3.connect(other)
        newer = "PRAGMA user_version = 999; UPDATE oldest_writer SET version = 999"
        connection.executescript(newer if kind == "newer" else "CREATE TABLE mine (x)")
        connection.close()
    before = other.read_bytes() if other.is_file() else None
    files = sorted({"learning.db"} | ({"other.db"} if kind != "missing" else set()))

    for arguments in [
        ["list"],
        ["show", "x"],
        ["tail", "--for", "0"],
        ["feedback", "x", "--accept"],
        ["feedback", "--clear", "--yes"],
        ["export"],
        ["export", "--output", os.devnull],
        ["prune", "--keep", "1", "--yes"],
        ["rebuild"],
        ["reprice"],
        ["summary"],
        ["performance"],
        ["costs"],
        ["errors"],
        ["compare", "--before", "14d..7d", "--after", "7d.."],
        ["patterns"],
        ["similar", "x"],
    ]:
        with subtests.test(" ".join(arguments)):
            result = ask(*arguments, database=str(other))

            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith("Error: ")
            assert result.stderr.count("\n") == 1
            assert (other.read_bytes() if other.is_file() else None) == before
            assert sorted(file.name for file in tmp_path.iterdir()) == files


def test_database_of_an_older_release_is_shown_and_not_migrated(ask, path):
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER feedback_goes_too; DROP TABLE feedback; PRAGMA user_version = 2")
    connection.close()
    before = Path(path).read_bytes()

    assert json.loads(answer(ask("show", "parent", "--json")))["feedback"] == []
    assert "3" in str(len(json.loads(answer(ask("list", "--json")))))
    assert Path(path).read_bytes() == before


def test_database_goes_before_or_after_the_command_or_into_the_environment(ask, path, tmp_path, monkeypatch):
    expected = answer(ask("list", "--json"))

    assert answer(ask("list", "--json", "--database", path, database=None)) == expected
    assert answer(ask("list", "--json", "--database", path, database="elsewhere.db")) == expected
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", path)
    assert answer(ask("list", "--json", database=None)) == expected
    monkeypatch.delenv("LEARNING_INSTRUMENT_DATABASE")
    monkeypatch.chdir(tmp_path)
    assert answer(ask("list", "--json", database=None)) == expected


def test_help_cuts_no_line_short_on_a_terminal_of_80_columns(ask):
    """Each subcommand's line says what it does to its end."""
    text = answer(ask("--help", terminal_width=80))
    assert "..." not in text.partition("Record:")[2]
    assert max(map(len, text.splitlines())) <= 80


def test_every_command_explains_itself(ask, subtests):
    for command in COMMANDS:
        with subtests.test(command):
            assert answer(ask(command, "--help")).startswith(f"Usage: learning-instrument {command} ")


def test_every_report_has_the_same_options(ask, subtests):
    options = (
        "--since", "--until", "--repo", "--pool-type", "--model-tier", "--task-type", "--json", "--csv", "--database"
    )  # fmt: skip
    for command in REPORTS:
        with subtests.test(command):
            text = answer(ask(command, "--help"))
            assert [option for option in options if f"  {option} " not in text] == []


# Feedback, and upkeep.


def test_feedback_is_stored_deleted_and_cleared(ask):
    answer(ask("feedback", "broken", "--reject", "--rating", "1", "--comment", "no", "--visibility", "team"))
    said = json.loads(answer(ask("show", "broken", "--json")))
    assert said["execution"]["user_accepted"] is False
    assert said["execution"]["user_rating"] == 1
    assert [(item["comment"], item["source"], item["visibility"]) for item in said["feedback"]] == [
        ("no", "cli", "team")
    ]

    assert answer(ask("feedback", "broken", "--delete")) == "Deleted 1 piece of feedback.\n"
    assert json.loads(answer(ask("show", "broken", "--json")))["execution"]["user_rating"] is None
    assert answer(ask("feedback", "--clear", "--yes")) == "Deleted 1 piece of feedback.\n"
    assert json.loads(answer(ask("show", "parent", "--json")))["feedback"] == []


def test_prune_rehearses_archives_and_deletes(ask, tmp_path):
    archive = str(tmp_path / "old.parquet")
    assert answer(ask("prune", "--keep", "1", "--dry-run")) == "2 of 3 executions are beyond the limits.\n"
    assert len(json.loads(answer(ask("list", "--json")))) == 3

    text = answer(ask("prune", "--keep", "1", "--archive", archive, "--yes"))

    assert text.startswith(f"Archived 2 executions in {archive}.\nDeleted 2 executions: ")
    assert [row["task_id"] for row in json.loads(answer(ask("list", "--json")))] == ["broken"]
    assert answer(ask("prune", "--keep", "1", "--yes")) == "0 of 1 execution are beyond the limits.\n"
    again = ask("prune", "--keep", "0", "--archive", archive, "--yes")
    assert (again.exit_code, again.stderr) == (
        2,
        f"Error: {archive} exists already and is not overwritten: name a new file.\n",
    )


def test_demo_says_what_it_is_and_writes_over_nothing(ask, tmp_path):
    """Every execution in it bears the label."""
    path = str(tmp_path / "demo.db")
    assert "synthetic executions to " in answer(ask("demo", path, "--executions", "50"))

    rows = json.loads(answer(ask("list", "--json", "--limit", "100", database=path)))
    assert len(rows) == 50
    assert {row["service_name"] for row in rows} == {"synthetic-demo"}
    assert all(row["metadata"] == {"synthetic": True} for row in rows)
    again = ask("demo", path)
    assert (again.exit_code, again.stderr) == (
        2,
        f"Error: {path} exists already: ask it as it is, or name a new one; demo overwrites no file.\n",
    )


def test_printed_command_is_one_for_a_shell(ask, tmp_path):
    """With any path and any id in it."""
    folder = tmp_path / "my & his"
    folder.mkdir()
    path = str(folder / "demo.db")
    assert shlex.split(answer(ask("demo", path, "--executions", "3")).splitlines()[1]) == [
        *("Try:", "learning-instrument", "--database", path, "list")
    ]
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="t", execution_id="a & b", outcome=Outcome.ERROR)])
    assert "learning-instrument show 'a & b'<" in html.unescape(answer(ask("report", "--out", "-", database=path)))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE executions SET repo = x'ff' WHERE execution_id <> 'a & b'")
    os.chmod(path, 0o644)

    found = {each["check"]: each["remedy"] for each in json.loads(answer(ask("doctor", "--json", database=path)))}

    assert shlex.split(found["readable by others"]) == ["chmod", "600", path]
    assert path in shlex.split(found["values"].partition(" takes")[0])


def test_interrupted_demo_leaves_nothing_in_the_way(ask, tmp_path, monkeypatch):
    """The same command works afterwards."""
    path = str(tmp_path / "demo.db")
    with monkeypatch.context() as patch:
        patch.setattr(LearningDatabase, "add_feedback", interrupted)
        assert ask("demo", path, "--executions", "50").exit_code == 130
    assert list(tmp_path.glob("demo.db*")) == []

    assert "50 synthetic executions" in answer(ask("demo", path, "--executions", "50"))


def test_rebuild_brings_an_old_file_up_to_date(ask, path):
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER feedback_goes_too; DROP TABLE feedback; PRAGMA user_version = 2")
    connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm009_feedback'")
    connection.commit()
    connection.close()

    assert answer(ask("rebuild")).startswith(f"Rebuilt roll-ups, error counts and search index of {path}: ")

    answer(ask("feedback", "parent", "--accept"))


def test_doctor_exits_with_1_only_if_strict(ask, path, tmp_path):
    """For any findings."""
    assert answer(ask("doctor")).startswith(f"{path}: ")
    missing = str(tmp_path / "missing.db")
    assert ask("doctor", database=missing).exit_code == 0
    assert ask("doctor", "--strict", database=missing).exit_code == 1
    findings = json.loads(answer(ask("doctor", "--json", database=missing)))
    assert "database" in [finding["check"] for finding in findings]
    assert answer(ask("doctor", "--csv", database=missing)).startswith("check,severity,what,remedy\n")


# The installed command.


def installed(*arguments, **keywords):
    return subprocess.run(
        [str(COMMAND), *arguments], capture_output=True, text=True, timeout=60, check=False, **keywords
    )


def test_installed_command_answers(path):
    done = installed("--database", path, "list", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)) == 3
    assert installed("--version").stdout.startswith("learning-instrument, version ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["list", "--csv"],
        *(pytest.param(command, marks=pytest.mark.slow) for command in (["doctor"], ["show", "parent"], ["costs"])),
    ],
    ids=" ".join,
)
def test_reader_that_goes_away_is_no_error(path, arguments):
    """As ``head`` does: nothing is said, and the exit code is that of a program which SIGPIPE ended."""
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [COMMAND, "--database", path, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False
    )

    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [["list", "--csv"], *(pytest.param(each, marks=pytest.mark.slow) for each in (["list"], ["summary"], ["--help"]))],
    ids=" ".join,
)
def test_answer_that_cannot_be_written_is_one_line(path, arguments):
    """And no verdict: a gate would take exit code 1 for one."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [COMMAND, "--database", path, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (done.returncode, done.stderr) == (2, "Error: The answer cannot be written: No space left on device.\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["list", "--csv"], 0),
        pytest.param(["summary"], 0, marks=pytest.mark.slow),
        (["delete", "--all"], 2),
        pytest.param(["compare", "--by", "repo"], 3, marks=pytest.mark.slow),
    ],
)
def test_closed_streams_change_no_exit_code(path, arguments, status):
    """As daemons run commands."""
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" <&- >&- 2>&-', "sh", COMMAND, "--database", path, *arguments], check=False
    )

    assert done.returncode == status


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--task-type", "\udcff"],
        ["compare", "--before", "model=\udcff", "--after", "model=x"],
        ["performance", "--by", "metadata.\udcff"],
        ["show", "\udcff"],
        ["delete", "--yes", "--where", "metadata.\udcff=1"],
        ["feedback", "\udcff", "--rating", "5"],
        ["index", "metadata.\udcff"],
    ],
    ids=" ".join,
)
def test_argument_that_is_no_text_is_one_line(path, arguments):
    """A byte that is no UTF-8."""
    result = CliRunner().invoke(main, ["--database", str(path), *arguments])

    assert (result.exit_code, result.stdout) == (2, "")
    # The sqlite3 of Python 3.10 does not say which text of a statement it is.
    which = "" if sys.version_info < (3, 11) and {"--by", "--where"} & set(arguments) else " with '\\udcff'"
    assert result.stderr.endswith(f"invalid text{which}: expected UTF-8.\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", pytest.param("latin-1", marks=pytest.mark.slow)])
def test_any_encoding_of_the_terminal_will_do(path, encoding):
    """What it lacks is replaced, or escaped in JSON."""
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="größe 漢字", task_id="x")])
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    plain = subprocess.run([COMMAND, "--database", path, "list"], env=environment, capture_output=True, check=False)
    document = subprocess.run(
        [COMMAND, "--database", path, "list", "--json"], env=environment, capture_output=True, check=False
    )

    assert (plain.returncode, plain.stderr) == (0, b"")
    assert json.loads(document.stdout.decode(encoding))[0]["task_type"] == "größe 漢字"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    "columns", [40, pytest.param(80, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.slow)]
)
def test_lines_fit_the_terminal(path, columns):
    """At any width; columns left out are named."""
    import fcntl
    import pty
    import struct
    import termios

    from rich.cells import cell_len
    from rich.text import Text

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    for arguments in (["list"], ["show", "parent"], ["doctor"], ["tail", "--for", "0"]):
        process = subprocess.Popen(
            [COMMAND, "--database", path, *arguments], stdout=theirs, stderr=theirs, env=environment
        )
        status = process.wait(60)
        time.sleep(0.05)
        text = os.read(ours, 1_000_000).decode()
        lines = [Text.from_ansi(line).plain.rstrip() for line in text.splitlines()]
        assert status == 0
        assert max(map(cell_len, lines)) <= columns, arguments
        if arguments == ["list"]:
            assert any(line.startswith("Not shown (too narrow): ") for line in lines) == (columns < 100)
    os.close(ours)
    os.close(theirs)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    "line", [["list", "--csv"], ["list", "--json"], ["list"], ["export", "--format", "csv"]], ids=" ".join
)
def test_terminal_is_told_nothing_by_what_was_recorded(tmp_path, line):
    """Escape sequences, C1 controls and direction marks of a task's text are shown, or left out, and not obeyed."""
    import pty

    path = tmp_path / "odd.db"
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="a\x1b]0;b\x07c\x9b31md\u202ee\rf")])
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}
    process = subprocess.Popen([COMMAND, "--database", path, *line], stdout=theirs, env=environment)
    assert process.wait(60) == 0
    text = os.read(ours, 1_000_000).decode()
    os.close(ours)
    os.close(theirs)
    assert not set("\x1b\x07\x9b\u202e") & set(text)
    assert "\r" not in re.sub("\r+\n", "", text)  # a terminal puts one before each end of a line


@pytest.mark.parametrize(
    "arguments",
    [["tail", "--every", "nan"], ["tail", "--for", "nan"], ["similar", "words", "--threshold", "nan"]],
    ids=" ".join,
)
def test_not_a_number_is_in_no_range(path, arguments):
    """One line, and exit code 2."""
    done = installed("--database", path, *arguments)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nan is not in the range" in done.stderr


def test_error_line_shows_control_characters(tmp_path):
    """A name may hold any."""
    done = installed("--database", str(tmp_path / "a\x1b[2Jb\x9bc"), "list")

    assert (done.returncode, "\x1b" in done.stderr, "\x9b" in done.stderr) == (2, False, False)
    assert "a\\u001b[2Jb\\u009bc" in done.stderr


def test_shell_completes_commands(path):
    done = installed(
        env={**os.environ, "_LEARNING_INSTRUMENT_COMPLETE": "bash_complete", "COMP_WORDS": "x fe", "COMP_CWORD": "1"}
    )

    assert done.stdout == "plain,feedback\n"
