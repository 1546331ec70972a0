"""A fleet in the engine in this process."""

import pytest

from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect

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
