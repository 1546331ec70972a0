"""``learning-instrument export`` and ``import``: options, output, exit codes."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from transfer.records import make, stored_in
from waiting import interrupt

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.cli import main
from learning_instrument.safety.formulas import unescaped

COMMAND = Path(sys.executable).parent / "learning-instrument"
LINE = '{"task_type": "t", "timestamp": "2026-11-22T10:00:00+00:00"}'


@pytest.fixture
def path(tmp_path):
    """The path of a database with two executions, of which one is rated."""
    path = make(tmp_path / "learning.db", [ExecutionRecord(task_type="t", task_id=name, repo=name) for name in "ab"])
    with LearningDatabase(path) as database:
        database.add_feedback("a", rating=4, comment="ours", visibility="team")
        database.add_feedback("a", rating=2, comment="mine")
    return path


@pytest.fixture
def ask(path):
    """Run the command with these arguments; return the result, which is never a traceback."""

    def ask(*arguments, database=path, **keywords):
        result = CliRunner().invoke(main, ["--database", database, *map(str, arguments)], **keywords)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return ask


def answer(result):
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_export_goes_to_the_standard_output(ask):
    """And nothing else does."""
    lines = answer(ask("export")).splitlines()
    rows = list(csv.DictReader(answer(ask("export", "--format", "csv", "--repo", "a")).splitlines()))

    assert [json.loads(line)["task_id"] for line in lines] == ["a", "b"]
    assert [row["task_id"] for row in rows] == ["a"]


def test_parquet_goes_through_a_pipe_and_to_no_terminal(ask, monkeypatch):
    assert ask("export", "--format", "parquet").stdout_bytes.startswith(b"PAR1")

    monkeypatch.setattr("learning_instrument.cli.commands.transfer.is_terminal", lambda: True)
    result = ask("export", "--format", "parquet")

    assert (result.exit_code, result.stderr) == (
        2,
        "Error: Parquet is binary and cannot be printed on a terminal; add --output FILE.\n",
    )


def test_export_to_a_file_prints_a_summary(ask, tmp_path):
    out = str(tmp_path / "out.csv")

    assert answer(ask("export", "--format", "csv", "--output", out)) == (
        f"Exported 2 executions, 1 piece of feedback, as csv, to {out}.\n"
    )
    assert json.loads(answer(ask("export", "--output", out, "--json"))) == {
        "executions": 2,
        "feedback": 1,
        "format": "csv",
        "output": out,
    }


@pytest.mark.parametrize(
    ("options", "comments"), [([], ["ours"]), (["--public-only"], []), (["--include-private"], ["ours", "mine"])]
)
def test_export_includes_the_visible_feedback(ask, options, comments):
    lines = map(json.loads, answer(ask("export", *options)).splitlines())

    assert [said["comment"] for line in lines for said in line.get("feedback", ())] == comments


def test_anonymous_export_hints_at_a_key_that_others_can_read(ask, tmp_path):
    """Neither the hint nor the file has the key or the text."""
    key, out = tmp_path / "a key", tmp_path / "out.jsonl"
    key.write_text("never printed, 24 bytes.")
    for mode, hint in ((0o644, f"Other users can read the key: chmod 600 '{key}'\n"), (0o600, "")):
        key.chmod(mode)
        result = ask("export", "--output", out, "--anonymous-key-file", key)

        assert (result.exit_code, result.stderr) == (0, hint)
        assert result.stdout == (
            f"Exported 2 executions, 1 piece of feedback, as jsonl, with hashes for texts and ids, to {out}.\n"
        )
        assert "ours" not in out.read_text()
    result = ask("export", "--anonymous-key-file", tmp_path / "none")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_usage_error_is_one_line(ask, subtests):
    """With exit code 2."""
    for arguments, complaint in [
        (["export", "--format", "xml"], "Invalid value for '--format'"),
        (["export", "--public-only", "--include-private"], "--public-only and --include-private exclude each other"),
        (["export", "--json"], "--json and --csv set the format of the summary"),
        (["export", "--since", "whenever"], "Invalid time 'whenever'"),
        (["export", "--output", "/"], "Cannot write /: Is a directory"),
        (["import"], "Missing argument 'FILE...'"),
        (["import", "missing.jsonl"], "Cannot read missing.jsonl: No such file or directory"),
        (["import", "/"], "Cannot read /: Is a directory"),
        (["import", __file__], f"Unknown format of {__file__}"),
    ]:
        with subtests.test(arguments=arguments, complaint=complaint):
            result = ask(*arguments)

            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith(f"Error: {complaint}")
            assert result.stderr.count("\n") == 1


def test_import_prints_a_summary(ask, path, tmp_path):
    """The first time, and the next; the file is made."""
    new = str(tmp_path / "new.db")

    assert answer(ask("import", path, database=new)) == (
        f"Stored 2 of 2 executions in {new}.\nStored 2 pieces of feedback.\n"
    )
    assert answer(ask("import", path, database=new)) == f"Stored 0 of 2 executions in {new}; 2 already there.\n"
    assert answer(ask("import", path, "--repo", "a", database=new)) == (
        f"Stored 0 of 2 executions in {new}; 1 already there, 1 excluded by filters.\n"
    )
    assert stored_in(new) == stored_in(path)


def test_refused_lines_are_named_and_strict_makes_them_a_failure(ask, tmp_path):
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join([LINE, *["{no\x1b[31m"] * 12, '{"resourceLogs": []}']))
    new = str(tmp_path / "new.db")

    result = ask("import", file, database=new)

    assert (result.exit_code, result.stdout) == (
        0,
        f"Stored 1 of 13 executions in {new}; 12 refused.\nPassed over 1 request of logs.\n",
    )
    *named, more = result.stderr.splitlines()
    assert named[0] == f"{file}, line 2: not JSON: Expecting property name enclosed in double quotes at character 2"
    assert len(named) == 10
    assert more == "... and 2 more; --json names 12."
    assert ask("import", "--strict", file, database=new).exit_code == 1
    document = json.loads(ask("import", "--json", file, database=new).stdout)
    assert (document["refused"], document["refusals"][11]["place"]) == (12, "line 13")
    assert ask("import", "--csv", file, database=new).stdout.startswith("read,stored,already_there,")


def test_files_that_cannot_be_read_and_conflicts_are_named(ask, path, tmp_path):
    """A file that cannot be read makes the exit code 1; a conflict does with --strict."""
    line = {"task_type": "t", "timestamp": "2026-11-22T10:00:00+00:00", "execution_id": "e"}
    for name, more in (("a", {}), ("b", {"repo": "other"})):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line | more))
    files = tmp_path / "[ab].jsonl"
    new = str(tmp_path / "new.db")

    result = ask("import", files, database=new)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            f"Stored 1 of 2 executions in {new}; 1 already there.",
            "1 conflict: already there with other values, which stay.",
        ],
    )
    assert result.stderr == f"e differs in repo: kept as in {tmp_path}/a.jsonl, not as in {tmp_path}/b.jsonl\n"
    assert ask("import", "--strict", files, database=new).exit_code == 1
    result = ask("import", path, "missing.db", tmp_path / "*.none", database=new)
    assert (result.exit_code, result.stdout.splitlines()[1]) == (1, "2 files of 3 cannot be read.")
    assert result.stderr.splitlines() == [
        f"No file matches '{tmp_path}/*.none'.",
        "Cannot read missing.db: No such file or directory.",
    ]
    document = json.loads(ask("import", "--json", files, "missing.db", database=new).stdout)
    assert (document["files"], document["unread"], document["conflicts"]) == (2, 1, 1)
    assert document["conflicting"][0]["left_out"] == str(tmp_path / "b.jsonl")


def test_standard_input_is_imported(ask, tmp_path):
    """So that a pipe leads from one machine to another."""
    new = str(tmp_path / "new.db")
    text = answer(ask("export", "--format", "otlp"))

    told = answer(ask("import", "-", database=new, input=text))
    assert told == f"Stored 2 of 2 executions in {new}.\nStored 1 piece of feedback.\n"


@pytest.mark.parametrize("kind", ["folder", "text", "foreign"])
def test_import_leaves_a_wrong_target_as_it_is(ask, path, tmp_path, kind):
    other = tmp_path / "other.db"
    if kind == "folder":
        other.mkdir()
    elif kind == "text":
        other.write_text("no database\n" * 100)
    else:
        subprocess.run([sys.executable, "-c", _MAKE_FOREIGN, other], check=True)
    before = other.read_bytes() if other.is_file() else None

    result = ask("import", path, database=str(other))

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert (other.read_bytes() if other.is_file() else None) == before


_MAKE_FOREIGN = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE mine (x)')"


def test_ctrl_c_names_the_next_step(tmp_path):
    """With exit code 130; stored executions stay."""
    new, pipe = tmp_path / "new.db", subprocess.PIPE
    with subprocess.Popen([COMMAND, "--database", new, "import", "-"], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        lines = [f'{{"task_id": "{number}", {LINE[1:]}\n'.encode() for number in range(150)]
        process.stdin.writelines(lines)
        process.stdin.flush()
        while not (new.exists() and count_in(new)):
            assert process.poll() is None
            time.sleep(0.01)
        assert interrupt(process) == 130
        assert process.stdout.read() == b""
        assert process.stderr.read().decode().strip() == (
            "Interrupted. Stored executions stay; run the same command again to import the rest."
        )
    assert count_in(new) == 128


def count_in(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM executions").fetchone()[0]
    except sqlite3.OperationalError:  # it is being made
        return 0
    finally:
        connection.close()


def test_reader_that_goes_away_is_no_error(path):
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run([COMMAND, "--database", path, "export"], stdout=writing, stderr=subprocess.PIPE, check=False)

    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


# Spreadsheets.

FORMULA = "=cmd()"


@pytest.fixture
def formulas(tmp_path):
    """The path of a database with text like formulas, and numbers below zero."""
    texts = {"task_description": FORMULA, "repo": "+1", "model_tier": "-1", "pool_type": "@x", "error_message": "\tx"}
    record = ExecutionRecord(task_type="'=1", metadata={"n": -1}, quality_score=-1.5, **texts)
    return make(tmp_path / "formulas.db", [record])


@pytest.mark.parametrize("command", [["export", "--format", "csv"], ["list", "--csv"]])
def test_text_like_a_formula_is_quoted_in_csv(ask, formulas, command):
    """Numbers never; and ``--raw`` leaves it."""
    rows = [
        next(csv.DictReader(answer(ask(*command, *more, database=formulas)).splitlines(keepends=True)))
        for more in ([], ["--raw"])
    ]

    names = ("task_description", "repo", "model_tier", "pool_type", "error_message", "task_type", "quality_score")
    tab = "'\tx" if "export" in command else r"\u0009x"  # which no longer begins like a formula
    assert [rows[0][name] for name in names] == ["'=cmd()", "'+1", "'-1", "'@x", tab, "''=1", "-1.5"]
    assert [rows[1][name] for name in names] == [FORMULA, "+1", "-1", "@x", "\tx", "'=1", "-1.5"]


@pytest.mark.parametrize("command", ["performance", "costs", "errors", "summary", "patterns"])
def test_reports_quote_formulas_too(ask, formulas, command):
    found, raw = (
        [cell for row in csv.reader(answer(told).splitlines(keepends=True)) for cell in row]
        for told in (ask(command, "--csv", *more, database=formulas) for more in ([], ["--raw"]))
    )

    assert [cell for cell in found if cell.startswith(("=", "+", "@", "\t"))] == []
    assert [unescaped(cell) for cell in found] == raw


# Files without executions.


def test_file_without_executions_is_never_nothing_stored_of_nothing(ask, tmp_path):
    """What is in it is named."""
    scope = {"scope": {"name": "other"}, "spans": [{}, {}]}
    (tmp_path / "spans").write_text("log\n" + json.dumps({"resourceSpans": [{"scopeSpans": [scope]}]}, indent=1))

    assert answer(ask("import", tmp_path / "spans")) == (
        "Found no executions.\nPassed over 1 line that is not JSON, 2 unreadable spans of other scopes.\n"
    )


@pytest.mark.parametrize("content", ["log\n" * 25, '{"level": "info"}\n', "[]", "[[1]]", "\0\1"])
@pytest.mark.parametrize("is_piped", [False, True])
def test_file_in_which_nothing_is_understood_is_an_error(ask, tmp_path, content, is_piped):
    (tmp_path / "log").write_text(content)

    result = ask("import", "-", input=content) if is_piped else ask("import", tmp_path / "log")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Unknown format of " in result.stderr


def test_empty_file_has_nothing_to_store(ask, tmp_path):
    (tmp_path / "empty").write_text("\n")

    assert answer(ask("import", tmp_path / "empty")) == "Found no executions.\n"
