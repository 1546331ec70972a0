"""``pull`` and ``push``: executions from and to a fleet, by the command, over HTTP."""

import contextlib
import json
import sqlite3

import pytest
from transfer import live

from learning_instrument.fleet import schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from tests.fleet import otel_traces
from tests.fleet.asking import answer, ask, complaint
from tests.fleet.clickhouse_server import ClickHouseServer


@pytest.fixture
def where(clickhouse):
    """The address of a fleet without executions."""
    otel_traces.create(clickhouse)
    with ClickHouseServer(clickhouse) as listening:
        with connect(Address.parse(listening.address)) as client:
            schema.init(client)
        yield listening.address


@pytest.fixture
def path(tmp_path):
    """The path of a file with the executions of two tasks, which call models."""
    live.recorded(tmp_path / "learning.db")
    return str(tmp_path / "learning.db")


def test_push_says_what_it_sent(where, path):
    """And that nothing is new."""
    assert answer("push", where, "--database", path) == "Sent 2 of 2 executions.\nSent 6 model calls.\n"
    assert answer("push", where, "--database", path) == "Nothing is new.\n"
    again = answer("push", where, "--database", path, "--since", "1d")
    assert again == "Sent 0 of 2 executions; 2 already there.\n"
    assert json.loads(answer("push", where, "--database", path, "--json"))["sent"] == 0


def test_pull_names_what_the_file_has_with_other_values(where, path, tmp_path):
    """As an import does."""
    answer("push", where, "--database", path)
    local = str(tmp_path / "local.db")
    answer("pull", where, "-o", local)
    with contextlib.closing(sqlite3.connect(local)) as changed, changed:
        ((execution,),) = changed.execute(
            "UPDATE executions SET task_type = 'x' WHERE rowid = 1 RETURNING execution_id"
        )

    result = ask("pull", where, "-o", local)

    assert "1 conflict: already there with other values, which stay." in result.stdout
    assert result.stderr.startswith(f"{execution} differs in task_type: kept as in {local}, not as in clickhouse://")


def test_fleet_is_made_by_push_alone(clickhouse, path):
    """With the first command that its error names."""
    with ClickHouseServer(clickhouse) as listening:
        where = listening.address
        assert "--without-collector" in complaint("fleet", "init", where)
        assert answer("fleet", "init", where, "--without-collector").endswith("has 0 executions.\n")

        assert answer("push", where, "--database", path) == "Sent 2 of 2 executions.\nSent 6 model calls.\n"
        assert answer("fleet", "refresh", where).startswith("Refreshed 0 executions")
        assert json.loads(answer("summary", "--database", where, "--json"))["executions"] == 2


def test_push_names_a_filter_that_selects_nothing(where, path):
    """As reports do: that nothing is new is another thing."""
    result = ask("push", where, "--database", path, "--repo", "shpo")

    assert (result.exit_code, result.stdout) == (0, "No executions.\n")
    assert result.stderr.startswith("No execution has repo=shpo.")


def test_pull_names_a_filter_that_selects_nothing(where, path, tmp_path):
    """And makes the file, for what reads it next."""
    answer("push", where, "--database", path)
    local = str(tmp_path / "local.db")

    first, again = (ask("pull", where, "-o", local, "--repo", "shpo") for _ in range(2))

    assert first.stdout == f"Found no executions.\nMade {local}, without executions.\n"
    assert again.stdout == "Found no executions.\n"
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert first.stderr == again.stderr
    assert first.stderr.startswith("No execution has repo=shpo.")
    assert answer("list", "--database", local) == "No executions.\n"


def test_push_names_what_is_wrong_in_one_line(where, path, clickhouse):
    """An address, a host, a fleet that was not made, options that exclude each other, a missing file."""
    assert "Invalid address" in complaint("push", "host", "--database", path)
    assert "cannot be reached" in complaint("push", "clickhouse://127.0.0.1:1", "--database", path)
    assert "leave one out" in complaint("push", where, "--public-only", "--include-private", "--database", path)
    assert "There is no database" in complaint("push", where, "--database", f"{path}.not")
    with connect(Address.parse(where)) as client:
        schema.drop(client)
    assert "fleet init" in complaint("push", where, "--database", path)


def test_pull_says_what_it_stored(where, path, tmp_path):
    """And names what is wrong in one line, without making a file."""
    answer("push", where, "--database", path)
    local = str(tmp_path / "local.db")

    assert answer("pull", where, "--since", "1d", "-o", local) == (
        f"Stored 2 of 2 executions in {local}.\nRead 6 model calls.\n"
    )
    assert "2 already there" in answer("pull", where, "-o", local)
    assert live.tables(local) == live.tables(path)
    assert "Invalid address" in complaint("pull", "host", "-o", f"{local}.not")
    assert "cannot be reached" in complaint("pull", "clickhouse://127.0.0.1:1", "-o", f"{local}.not")
    assert not list(tmp_path.glob("*.not"))


def test_address_may_be_in_the_environment(where, path, tmp_path, monkeypatch):
    """Beside that of the file."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_FLEET", where)
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", path)

    assert "Sent 2 of 2 executions." in answer("push")
    assert "Stored 2 of 2 executions" in answer("pull", "-o", str(tmp_path / "local.db"))


def test_pull_without_the_name_of_a_file_is_refused(where, path, monkeypatch):
    """The default database is none that was named."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", path)

    assert "Invalid value for '--output' / '-o': expected the path of a file." in complaint("pull", where, "-o", "")
