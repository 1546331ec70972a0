"""The rights that the how-to gives to each user are those of the statements that its commands run."""

import re
from pathlib import Path

import pytest

from learning_instrument.analytics import error_groups, summary
from learning_instrument.fleet import pull, push, schema
from learning_instrument.fleet.client import Client, connect
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.refresh import refresh
from learning_instrument.fleet.status import status

from .same_executions import executions, fill

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "fleet.md").read_text("utf-8")
GRANTS = re.findall(r"^(GRANT (.*) ON otel\.\* TO (\w+));$", PAGE, re.MULTILINE)
#: What each user may do.
RIGHTS = {user: set(rights.split(", ")) for _, rights, user in GRANTS}
#: The beginning of a statement -> its rights, by ClickHouse's reference of GRANT.
NEEDED = {
    "SELECT": {"SELECT"},
    "WITH": {"SELECT"},
    "INSERT": {"INSERT"},
    "CREATE TABLE": {"CREATE TABLE"},
    "CREATE MATERIALIZED VIEW": {"CREATE VIEW"},
    "CREATE OR REPLACE VIEW": {"CREATE VIEW", "DROP VIEW"},
    "ALTER TABLE": {"ALTER VIEW"},
    "DROP TABLE": {"DROP TABLE", "DROP VIEW"},
    "DELETE FROM": {"ALTER DELETE"},
    "TRUNCATE TABLE": {"TRUNCATE"},
}
#: Tables of the system that each user may read, of which rows are those that it may see.
OPEN = {"tables", "columns", "functions"}


def make(address):
    """What ``fleet init`` does, the second time too."""
    with connect(address) as client:
        schema.init(client)
        schema.init(client)


def drop(address):
    with connect(address) as client:
        schema.drop(client)


def renew(address):
    """What a refresh and ``fleet status`` do, also to sums that do not count any more."""
    with connect(address) as client:
        refresh(client, 0)
        client.execute(
            "INSERT INTO learning_instrument_touched SELECT bucket, now64(6) FROM learning_instrument_touched"
        )
        refresh(client, 0)
        status(client)


def review(address):
    with FleetDatabase(address) as fleet:
        (found, *_) = fleet.query("SELECT execution_id FROM executions")
        fleet.add_feedback(found["execution_id"], rating=4)
        fleet.delete_feedback(found["execution_id"])
        fleet.clear_feedback()


@pytest.fixture
def ran(monkeypatch):
    """The statements that are run."""
    seen, run = [], Client._run

    def noted(client, method, sql, *arguments):
        seen.append(f"INSERT INTO {sql}" if method == "insert" else sql)
        return run(client, method, sql, *arguments)

    monkeypatch.setattr(Client, "_run", noted)
    return seen


def needed(statements):
    rights = {"SELECT"}
    for statement in statements:
        (begin,) = [begin for begin in NEEDED if statement.lstrip("( \n").startswith(begin)]
        rights |= NEEDED[begin]
        assert {*re.findall(r"\bsystem\.(\w+)", statement)} <= OPEN, statement
    return rights


@pytest.mark.parametrize("user", RIGHTS)
def test_rights_are_those_of_the_statements(user, ran, fleet, client, address, database, tmp_path, monkeypatch):
    """None is missing, and none is too many but for the tables that another release changes."""
    fill(database, client, executions(50))
    monkeypatch.setattr("learning_instrument.fleet.hours._READ_SECONDS", -1)
    ran.clear()

    if user == "reader":
        with FleetDatabase(address) as asked:
            summary(asked)
            error_groups(asked)
            asked.size()
        pull(f"chdb://{address.folder}?database={address.database}", tmp_path / "local.db")
    elif user == "machine":
        push(f"chdb://{address.folder}?database={address.database}", database)
    else:
        for work in {"reviewer": [review], "refresher": [renew], "operator": [drop, make]}[user]:
            work(address)

    assert needed(ran) == RIGHTS[user] - {"ALTER TABLE"}


def test_grants_are_clickhouses(client):
    """It parses them."""
    assert len(GRANTS) == 5
    for grant, _, _ in GRANTS:
        client.rows(f"EXPLAIN AST {grant}")
