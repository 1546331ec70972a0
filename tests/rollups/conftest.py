"""One new database: a connection that writes, and what answers questions."""

import pytest
from executions import Asked

from learning_instrument.sqlite.connection import WriteConnection


@pytest.fixture
def target(tmp_path):
    """A connection for writing to a new database."""
    target = WriteConnection(str(tmp_path / "learning.db"), 5.0)
    target.open()
    yield target
    target.close()


@pytest.fixture
def asked(tmp_path):
    """The same database, to be asked."""
    return Asked(tmp_path / "learning.db")
