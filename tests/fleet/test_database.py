"""A fleet is opened by its first question, and refused in one line."""

import pytest

from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.fleet import schema
from learning_instrument.fleet.database import FleetDatabase

from . import otel_traces

COUNT = "SELECT count(*) AS executions FROM executions"


def test_first_question_opens_it(clickhouse, address, client):
    """And so does the next one after it was closed."""
    otel_traces.create(clickhouse)
    schema.init(client)
    fleet = FleetDatabase(str(address))

    for _ in range(2):
        assert fleet.query(COUNT) == [{"executions": 0}]
        fleet.close()


def test_what_was_not_made_is_refused(clickhouse, address):
    """With the command that makes it."""
    with pytest.raises(DatabaseError, match="run learning-instrument fleet init"):
        FleetDatabase(address).query(COUNT)


def test_invalid_address_is_refused_at_once():
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match="expected"):
        FleetDatabase("http://host/database")
