"""Shows a database in Datasette: described, without its private tables."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from asking import answer, ask, record, store
from waiting import wait_until

from learning_instrument.maintenance.datasette import metadata


@pytest.fixture
def path(tmp_path):
    """The path of a database with an execution, which is indexed."""
    path = str(tmp_path / "pools.db")
    store(path, record(task_description="Cut the <b>hedge</b>", execution_id="e1"), record(task_description="Sweep"))
    answer(path, "rebuild")
    return path


def test_tables_that_are_private_are_hidden_and_the_others_described(path):
    """In the metadata for the name that Datasette gives the file; another program's table stays as it is."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
        stored = {name for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}

    tables = metadata(path)["databases"]["pools"]["tables"]

    described = {name for name, found in tables.items() if found.get("description") and found["columns"]}
    hidden = {name for name, found in tables.items() if found.get("hidden")}
    assert described == {
        "executions", "model_calls", "feedback", "losses", "running", "reported_costs", "tier_performance",
        "pool_performance", "solution_patterns",
    }  # fmt: skip
    assert hidden == {name for name in stored - described - {"theirs"} if not name.startswith("sqlite_")}
    assert json.loads(answer(path, "open", "--print-metadata"))["databases"]["pools"]["tables"] == tables


def test_metadata_of_an_older_file_names_nothing_it_lacks(tmp_path, path):
    """No search index, for one."""
    import databases

    older = databases.make_older(tmp_path / "older.db", 7, path)

    assert "fts_table" not in metadata(older)["databases"]["older"]["tables"]["executions"]


def test_datasette_that_is_missing_or_a_port_in_use_is_one_line(path, monkeypatch):
    """With the remedy; and a missing file is not made."""
    monkeypatch.setitem(sys.modules, "datasette", None)
    result = ask(path, "open")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'learning_instrument[datasette]'" in result.stderr

    monkeypatch.setattr("learning_instrument.maintenance.datasette.check_installed", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = ask(path, "open", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "Address already in use" in result.stderr

    assert ask(f"{path}.missing", "open").exit_code == 2
    assert not os.path.exists(f"{path}.missing")


@pytest.fixture
def shown(path):
    """Datasette, as a process of its own; its URL."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "learning_instrument",
        "--database",
        path,
        "open",
        "--no-browser",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or is_up(url))
        yield process, url
        process.kill()


def is_up(url):
    try:
        return read(url)
    except OSError:
        return False


def read(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


@pytest.mark.slow
def test_datasette_shows_the_file(shown, path):
    """Descriptions, the newest execution first, a search; while others record. Ctrl-C ends it without a traceback."""
    pytest.importorskip("datasette")
    process, url = shown

    tables = json.loads(read(f"{url}/pools.json"))["tables"]
    assert {table["name"] for table in tables if not table["hidden"]} == {
        "executions", "model_calls", "feedback", "losses", "running", "reported_costs",
    }  # fmt: skip
    page = read(f"{url}/pools/executions")
    assert "One row for each execution." in page
    assert "how long it waited within its pool" in page
    assert "<b>hedge" not in page
    assert "the share of succeeded" in read(f"{url}/pools/tier_performance")
    found = json.loads(read(f"{url}/pools/executions.json?_search=hedge&_shape=objects"))["rows"]
    assert [each["execution_id"] for each in found] == ["e1"]
    assert json.loads(read(f"{url}/-/metadata.json"))["databases"]["pools"]["description"]
    store(path, record(execution_id="e3"))
    counted = json.loads(read(f"{url}/pools.json?sql=select+count(*)+as+n+from+executions&_shape=array"))
    assert counted == [{"n": 3}]

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in said
