"""A fleet in the engine in this process."""

import pytest
from transfer import live

from learning_instrument.fleet import schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet.database import FleetDatabase

from . import otel_traces
from .clickhouse_server import ClickHouseServer


@pytest.fixture
def address(engine_folder, clickhouse):
    """The address of the test's database."""
    return Address.parse(f"chdb://{engine_folder}?database={clickhouse.database}")


@pytest.fixture
def client(address):
    """Our own client of it."""
    with connect(address) as opened:
        yield opened


@pytest.fixture
def server(clickhouse):
    """ClickHouse's HTTP interface before it."""
    with ClickHouseServer(clickhouse) as listening:
        yield listening


@pytest.fixture
def fleet(clickhouse, client, address):
    """The fleet of that database, whose tables are made."""
    otel_traces.create(clickhouse)
    schema.init(client)
    with FleetDatabase(str(address)) as opened:
        yield opened


@pytest.fixture
def empty_fleet(clickhouse, client, engine_folder):
    """The address of an empty fleet, as text."""
    otel_traces.create(clickhouse)
    schema.init(client)
    return f"chdb://{engine_folder}?database={clickhouse.database}"


@pytest.fixture
def path(tmp_path):
    """The path of a file with the executions of two tasks, which call models."""
    live.recorded(tmp_path / "learning.db")
    return tmp_path / "learning.db"
