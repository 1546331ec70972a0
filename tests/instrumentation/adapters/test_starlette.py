"""starlette and FastAPI, instrumented from outside, with real applications."""

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.background import BackgroundTask
from starlette.testclient import TestClient

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed"}


async def work_later(task):
    return {"status": "failed"}


def fail(task):
    raise ValueError("unlucky")


@pytest.fixture(autouse=True)
def instrumented(database):
    """With anyio's adapter, whose threads run the endpoints and tasks that are not async."""
    PoolInstrumentor().instrument(targets="starlette,anyio,concurrent.futures", database=database)
    yield
    PoolInstrumentor().uninstrument()


def test_each_background_task_is_one_execution(database, rows):
    """Within the request that added it; the list of them and the endpoint are none."""
    app = FastAPI()

    @app.get("/")
    @record_execution(pool_type="by hand", learning_db=database)
    def endpoint(tasks: BackgroundTasks):
        tasks.add_task(work, {"description": "first"})
        tasks.add_task(work_later, task={"description": "second"})
        tasks.add_task(fail, {"description": "third"})

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 200

    found = [row for row in rows() if row["pool_type"] == "starlette"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert sorted((row["task_type"], row["outcome"], row["task_description"]) for row in found) == [
        ("fail", "error", "third"),
        ("work", "failed", "first"),
        ("work_later", "failed", "second"),
    ]
    assert {row["parent_execution_id"] for row in found} == {sender["execution_id"]}
    assert all(row["queue_seconds"] >= 0 for row in found)
    assert len(rows()) == 4


def test_sync_endpoint_is_no_task(rows):
    """It runs in a thread of anyio."""
    app = FastAPI()

    @app.get("/")
    def endpoint():
        return 1

    assert TestClient(app).get("/").json() == 1
    assert rows() == []


def test_background_task_keeps_its_function(rows):
    """Before, during and after its run."""
    seen = []
    task = BackgroundTask(lambda: seen.append(task.func))
    function = task.func
    anyio.run(task)

    assert seen == [function] == [task.func]
    assert len(rows()) == 1
