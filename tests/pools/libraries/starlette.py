"""How a task gets into starlette and FastAPI: as a background task of a request."""

from typing import Any, Final

from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from ..pool import Pool


def _of_starlette(function: Any, task: Any) -> Any:
    async def endpoint(request: Any) -> Response:
        return Response("accepted", background=BackgroundTask(function, task))

    return TestClient(Starlette(routes=[Route("/", endpoint)])).get("/").text


def _of_fastapi(function: Any, task: Any) -> Any:
    app = FastAPI()

    @app.get("/")
    def endpoint(tasks: BackgroundTasks) -> str:
        tasks.add_task(function, task)
        return "accepted"

    return TestClient(app).get("/").text


POOLS: Final = (
    Pool("starlette", "starlette", _of_starlette),
    Pool("starlette, async", "starlette", _of_starlette, is_async=True),
    Pool("FastAPI", "starlette", _of_fastapi),
    Pool("FastAPI, async", "starlette", _of_fastapi, is_async=True),
)
