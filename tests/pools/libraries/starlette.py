"""How a task gets into starlette and FastAPI: as a background task of a request."""

from typing import Any, Final

from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from ..pool import Pool, Run


def _of_starlette(function: Any, task: Any) -> Any:
    async def endpoint(request: Any) -> Response:
        return Response("accepted", background=BackgroundTask(function, task))

    return Starlette(routes=[Route("/", endpoint)])


def _of_fastapi(function: Any, task: Any) -> Any:
    app = FastAPI()

    @app.get("/")
    def endpoint(tasks: BackgroundTasks) -> str:
        tasks.add_task(function, task)
        return "accepted"

    return app


def _requested(make: Any) -> Run:
    return lambda function, task: TestClient(make(function, task)).get("/").text


def _all_requested(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with TestClient(make(function, tasks[0])) as client:
            for _ in tasks:
                client.get("/")

    return run_all


POOLS: Final = tuple(
    Pool(name, "starlette", _requested(make), is_async=is_async, run_all=_all_requested(make), tasks=200)
    for name, make, is_async in (
        ("starlette", _of_starlette, False),
        ("starlette, async", _of_starlette, True),
        ("FastAPI", _of_fastapi, False),
        ("FastAPI, async", _of_fastapi, True),
    )
)
