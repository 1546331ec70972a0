"""``watch``: real processes, a real server, real files."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone

import pytest
from asking import ask, record, store
from child_programs import KEEPS, python, python_name
from receiver import receiving
from waiting import wait_until

from learning_instrument import LearningDatabase
from learning_instrument.outcome import Outcome

HOSTILE = 'it\'s "quoted" $(touch owned) `touch owned`; <!channel>\n\x1b[31mred\x9b2J \u202e { } \\ %s'


@pytest.fixture
def path(tmp_path):
    """The path of a database with one failure."""
    path = str(tmp_path / "learning.db")
    store(path, failure("disk 5 full"))
    return path


@pytest.fixture
def kept(tmp_path):
    """The file that :func:`keeping` writes."""
    return tmp_path / "kept"


@pytest.fixture
def keeping(tmp_path, kept):
    """A command that keeps what it is told."""
    return python(tmp_path, KEEPS, kept)


def failure(message, **fields):
    return now(outcome=Outcome.ERROR, error_message=message, **fields)


def now(**fields):
    return record(**{"timestamp": datetime.now(timezone.utc), "duration_seconds": 0.0, **fields})


def look(path, *arguments, status=0):
    """Look once; return the lines that are printed."""
    result = ask(path, "watch", "--once", *arguments)
    assert result.exit_code == status, result.stderr
    return result.stdout.splitlines()


def alerts(kept):
    return [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []


def templates(kept):
    return [alert["template"] for alert in alerts(kept)]


@contextlib.contextmanager
def watching(path, *arguments):
    """Watch in another process, which is ended; its first look is over."""
    line = [sys.executable, "-m", "learning_instrument", "--database", path, "watch", "--every", "0.05", *arguments]
    looked = looks(path)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: looks(path) > looked or process.poll() is not None)
            assert looks(path) > looked, process.stderr.read()
            yield process
        finally:
            process.kill()


def looks(path):
    """Return how many watches the file knows."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM watches").fetchone()[0]
    return 0


def test_new_error_group_is_told_once(path, kept, keeping):
    """By its template and ids, whatever its message says; what was there before is known."""
    assert look(path, "--exec", keeping) == []
    store(path, failure("disk 6 full"), failure(HOSTILE, exception_type="ValueError"), now())

    (line,) = look(path, "--exec", keeping)

    assert line.isprintable()
    assert look(path, "--exec", keeping) == []
    (alert,) = alerts(kept)
    assert (alert["kind"], alert["database"], alert["failures"]) == ("new_error_group", "learning.db", 1)
    assert alert["template"] == "it's <TEXT> $(touch owned) <TEXT>; <!channel>"
    assert alert["text"] == (
        "New error group in learning.db: 1 failure,"
        " `it's \u2039TEXT\u203a $(touch owned) \u2039TEXT\u203a; \u2039!channel\u203a` (ValueError)"
    )
    assert line.endswith(alert["text"])
    assert "executions" not in alert
    assert "red" not in kept.read_text()
    assert not list(kept.parent.glob("**/owned"))


def test_content_is_told_where_it_is_asked_for(path, kept, keeping):
    """The executions as ``show`` has them."""
    look(path, "--exec", keeping, "--content")
    store(path, failure(HOSTILE, task_description="secret plan", execution_id="e-1"))
    look(path, "--exec", keeping, "--content")

    (alert,) = alerts(kept)
    assert [execution["error_message"] for execution in alert["executions"]] == [HOSTILE]
    assert alert["executions"] == [json.loads(ask(path, "show", "e-1", "--json").stdout)["execution"]]


def test_file_keeps_no_template_of_what_was_told(path, keeping):
    """Nor an id, nor the words of a command: what is deleted from the file is gone from it."""
    look(path, "--exec", keeping + " --token=hunter2")
    store(path, failure("no route to zanzibar"))
    look(path, "--exec", keeping + " --token=hunter2")

    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = [*connection.execute("SELECT * FROM alerts"), *connection.execute("SELECT * FROM watches")]
    assert len(rows) == 2
    assert "zanzibar" not in str(rows)
    assert "hunter2" not in str(rows)


def test_without_a_target_alerts_are_printed(path):
    """And remembered all the same."""
    look(path)
    store(path, failure("new"))

    assert [line.partition(" UTC ")[2] for line in look(path)] == ["New error group in learning.db: 1 failure, `new`"]
    assert look(path) == []


def test_filter_that_nothing_meets_is_said_at_the_first_look(path, tmp_path):
    """A mistyped one would be waited for without end; cron is told once. An empty database has no values to name."""
    store(str(tmp_path / "empty.db"))
    empty = ask(str(tmp_path / "empty.db"), "watch", "--once", "--repo", "shopp")
    first, second = (ask(path, "watch", "--once", "--pool-type", "none") for _ in range(2))

    assert (empty.exit_code, empty.stderr) == (0, "")
    assert (first.exit_code, first.stdout) == (0, "")
    assert first.stderr.startswith("No execution has pool_type=none. ")
    assert (second.exit_code, second.stderr) == (0, "")


@pytest.mark.slow
def test_many_groups_are_told_by_some(path, kept, keeping):
    """The last alert says how many more there are."""
    look(path, "--exec", keeping)
    store(path, *(failure(f"{one}{other}") for one in "vwxyz" for other in "ghijk"))
    look(path, "--exec", keeping)
    assert look(path, "--exec", keeping) == []

    assert [alert["more_groups"] for alert in alerts(kept)] == [0] * 19 + [5]
    assert alerts(kept)[-1]["text"].endswith("; and 5 more groups")
    store(path, failure("one more"), failure("and yet another"))
    result = ask(path, "watch", "--once", "--exec", keeping)
    assert (result.stdout, result.stderr) == ("", "2 more new error groups, not told: 20 were within 1 h 00 m.\n")
    store(path, failure("of the next interval"))
    assert len(look(path, "--exec", keeping, "--interval", "0")) == 1


def test_burst_is_told_at_its_beginning(path, kept, keeping):
    """Once, and again after the interval if it has ended in between."""
    old = [now(timestamp=datetime.now(timezone.utc) - timedelta(hours=5)) for _ in range(200)]
    store(path, *old)
    look(path, "--exec", keeping)
    store(path, *(failure("disk 6 full") for _ in range(9)), now())

    (line,) = look(path, "--exec", keeping)
    store(path, *(failure("disk 6 full") for _ in range(9)))

    assert look(path, "--exec", keeping, "--interval", "0") == []
    assert "Burst of failures in learning.db: 9 of 10 executions (90.0%) in 10 minutes; in the day before 0.5%" in line
    (alert,) = alerts(kept)
    assert (alert["kind"], alert["failures"], alert["executions"]) == ("burst", 9, 10)
    assert (alert["failures_before"], alert["executions_before"], len(alert["execution_ids"])) == (1, 201, 1)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE watches SET is_in_burst = 0, minutes = '{}'")
    store(path, *(failure("disk 6 full") for _ in range(20)))
    assert look(path, "--exec", keeping) == []
    assert len(look(path, "--exec", keeping, "--interval", "0")) == 1


def test_budget_is_told_at_eighty_percent_and_at_the_limit(path, kept, keeping):
    """Once in a period each; also where the first look finds it spent."""
    arguments = ("--exec", keeping, "--budget", "200", "--period", "day")
    store(path, now(actual_cost=159.0, repo="shop"))
    assert look(path, *arguments) == []
    store(path, now(actual_cost=1.0, repo="shop"))
    assert len(look(path, *arguments)) == 1
    assert look(path, *arguments) == []
    store(path, now(actual_cost=50.0, repo="shop"))
    assert len(look(path, *arguments)) == 1
    assert look(path, *arguments) == []

    assert [(alert["kind"], alert["share"], alert["spent_usd"]) for alert in alerts(kept)] == [
        ("budget", 0.8, 160.0),
        ("budget", 1.0, 210.0),
    ]
    assert len(look(path, *arguments, "--repo", "shop")) == 1
    assert look(path, *arguments, "--repo", "site") == []


def test_watch_tells_a_webhook_until_it_is_interrupted(path):
    """And a restarted one tells it no more."""
    with receiving() as server, watching(path, "--webhook", server.url) as process:
        store(path, failure("new"))
        wait_until(lambda: server.documents)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, errors.strip()) == (130, "")
        assert server.documents[0]["text"] in output
        assert "secret" not in output

        assert look(path, "--webhook", server.url) == []
        assert len(server.documents) == 1


@pytest.mark.slow
def test_two_watches_of_one_file_tell_once(path, kept, keeping):
    """Each alert, by one of them."""
    with watching(path, "--exec", keeping), watching_also(path, "--exec", keeping):
        for number, message in enumerate(["alpha", "beta beta", "gamma gamma gamma"], 1):
            store(path, failure(message))
            wait_until(lambda number=number: len(alerts(kept)) >= number)

    assert sorted(templates(kept)) == ["alpha", "beta beta", "gamma gamma gamma"]


@contextlib.contextmanager
def watching_also(path, *arguments):
    """Watch in one more process."""
    line = [sys.executable, "-m", "learning_instrument", "--database", path, "watch", "--every", "0.05", *arguments]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_failing_webhook_is_tried_again_and_keeps_nothing_back(path, kept, keeping):
    """The command is told meanwhile; each is told once, also by the next process."""
    with receiving(503) as server:
        arguments = ("--webhook", server.url, "--exec", keeping)
        look(path, *arguments)
        store(path, failure("new"))
        result = ask(path, "watch", "--once", *arguments)

        assert result.exit_code == 1
        assert result.stderr == f"http://127.0.0.1:{server.server_port} failed: status 503. Next try in 5.0 s.\n"
        assert (len(alerts(kept)), server.documents) == (1, [])
        look(path, *arguments)
        assert server.documents == []
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alerts SET due = '2000' WHERE due IS NOT NULL")
        look(path, *arguments)
        look(path, *arguments)
        assert [alert["alert_id"] for alert in server.documents] == [alerts(kept)[0]["alert_id"]]


def test_what_waits_to_be_told_of_a_deleted_execution_is_deleted(path):
    """Its template is in no file any more, and nothing is told."""
    with receiving(503) as server:
        look(path, "--webhook", server.url)
        store(path, failure("no route to zanzibar", execution_id="e-1"))
        look(path, "--webhook", server.url, status=1)
        assert ask(path, "delete", "e-1", "--yes").exit_code == 0
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
            assert "e-1" not in str(connection.execute("SELECT place FROM watches").fetchall())
        look(path, "--webhook", server.url)

    assert server.documents == []


def test_failing_command_is_not_repeated(path, tmp_path):
    """It may have told before it failed."""
    command = python(tmp_path, KEEPS + "; raise SystemExit(3)", tmp_path / "kept")
    look(path, "--exec", command)
    store(path, failure("new"))
    result = ask(path, "watch", "--once", "--exec", command)

    assert (result.exit_code, result.stderr) == (1, f"{python_name()} failed: exit code 3.\n")
    assert look(path, "--exec", command) == []
    assert len(alerts(tmp_path / "kept")) == 1


@pytest.mark.slow
def test_hanging_webhook_keeps_nothing_from_going_on(path, kept, keeping):
    """Looks go on, and the command is told; SIGTERM ends it all."""
    release = threading.Event()
    with receiving(lambda handler: release.wait(60)) as server:
        with watching(path, "--webhook", server.url, "--exec", keeping) as process:
            store(path, failure("alpha"))
            wait_until(lambda: len(alerts(kept)) == 1 and server.requests)
            store(path, failure("beta beta"))
            wait_until(lambda: len(alerts(kept)) == 2)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        release.set()

    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.slow
def test_file_may_be_replaced_and_missing_meanwhile(path, tmp_path, kept, keeping):
    """The watch says so, waits, and begins anew with what takes its place."""
    with watching(path, "--exec", keeping) as process:
        os.rename(path, tmp_path / "aside.db")
        assert process.stderr.readline() == f"{path} is gone: waiting for it.\n"
        store(path, failure("of the new file"))
        wait_until(lambda: looks(path))
        store(path, failure("new"))
        wait_until(lambda: "new" in templates(kept))

    assert {*templates(kept)} - {"of the new file"} == {"new"}  # as the first look at it found it empty or not
    assert len(templates(kept)) <= 2


def test_watch_for_a_time_ends_by_itself(path):
    """With what it was told to tell."""
    look(path)
    store(path, failure("new"))
    result = ask(path, "watch", "--for", "0.1", "--every", "0.05")

    assert (result.exit_code, result.stdout.count("\n"), result.stderr) == (0, 1, "")


@pytest.mark.parametrize("wrong", [("--budget", "0"), ("--budget", "nan"), ("--content",), ("--webhook", "x")])
def test_wrong_arguments_are_one_line(path, wrong):
    """Exit code 2."""
    result = ask(path, "watch", "--once", *wrong)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_missing_database_is_not_made(tmp_path):
    """As by ``tail``."""
    result = ask(str(tmp_path / "none.db"), "watch", "--once")

    assert result.exit_code == 2
    assert not (tmp_path / "none.db").exists()


@pytest.mark.slow
def test_open_writer_is_not_disturbed(path, kept, keeping):
    """A process that records goes on while others look."""
    look(path, "--exec", keeping)
    with LearningDatabase(path) as database:
        for number in range(5):
            database.append([failure(" ".join(["again"] * (number + 1)))])
            look(path, "--exec", keeping)
        statistics = database.statistics()

    assert templates(kept) == [" ".join(["again"] * number) for number in range(1, 6)]
    assert (statistics.stored, statistics.lost) == (5, {})
