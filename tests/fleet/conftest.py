"""ClickHouse in this process, with a database for each test."""

import uuid

import clickhouse_connect
import pytest

from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory):
    """The folder of the engine's data: it has one for each process."""
    return tmp_path_factory.mktemp("chdb")


@pytest.fixture
def clickhouse(engine_folder):
    """A client of the engine, in an empty database of its own: ``clickhouse.database``."""
    name = f"test_{uuid.uuid4().hex}"
    with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder)) as client:
        client.command(f"CREATE DATABASE {name}")
        with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder), database=name) as own:
            yield own
        client.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def address(engine_folder, clickhouse):
    """The address of that database."""
    return Address.parse(f"chdb://{engine_folder}?database={clickhouse.database}")


@pytest.fixture
def client(address):
    """Our own client of it."""
    with connect(address) as opened:
        yield opened
