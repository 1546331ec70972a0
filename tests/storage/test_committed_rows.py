"""The rows that this process has committed."""

from learning_instrument.costs.call_store import ModelCallStore
from learning_instrument.safety.forks import ForkLock
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage.committed_rows import CommittedRows
from learning_instrument.storage.insertion import Insertion
from learning_instrument.storage.statistics import Counters

_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
INSERT INTO executions (execution_id, task_id, timestamp, task_type, success, duration_seconds, outcome, metadata,
    defaulted)
SELECT 'x' || n, 't' || n, '2026-11-27T10:00:00.000000+00:00', 'review', 1, 1.0, 'succeeded', '{}', '[]' FROM numbers
"""


def test_checkpoint_reads_no_more_of_a_larger_file(tmp_path):
    """It is done after each thousand rows: reading all of a large file would cost more than writing them."""
    path = str(tmp_path / "learning.db")
    counters = Counters(path)
    committed = CommittedRows(Insertion(counters, ModelCallStore()), counters, ForkLock())
    target = WriteConnection(path, 1.0)
    steps = []

    def steps_of_checkpoint():
        steps.clear()
        with target.transaction() as connection:
            connection.set_progress_handler(lambda: steps.append(None), 10)
        assert committed.checkpoint(target)
        return len(steps)

    small = steps_of_checkpoint()
    target.execute(_FILL)

    assert steps_of_checkpoint() <= small + 10
    target.close()
