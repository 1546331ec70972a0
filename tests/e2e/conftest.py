"""An application that knows nothing of us, for tests of the commands that record it."""

import textwrap

import pytest

POOLS = """
    class Pool:
        def execute_task(self, task):
            return {"success": True}
"""
APP = """
    import sys
    from some_pools import Pool
    for n in range(3):
        Pool().execute_task({"task_id": f"t-{n}"})
    print("done", *sys.argv[1:])
"""


@pytest.fixture
def app(tmp_path):
    """Write an application, and its pools, in a folder that is not the current one; return its path."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "some_pools.py").write_text(textwrap.dedent(POOLS))

    def app(source=APP):
        (folder / "app.py").write_text(textwrap.dedent(source))
        return str(folder / "app.py")

    app()
    return app


@pytest.fixture
def task_ids(rows):
    """Return the task ids of all rows, the oldest first."""
    return lambda: [row["task_id"] for row in rows()]
