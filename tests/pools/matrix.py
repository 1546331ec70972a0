"""Which libraries are run, in which environments: data."""

from typing import Final

#: Environment -> what it needs. Libraries that install together share one.
ENVIRONMENTS: Final = {
    "standard": (),
    "queues": ("apscheduler>=3.11,<4", "arq", "django-tasks", "django-tasks-db", "huey", "rq"),
    # arq needs an older redis.
    "brokers": ("celery", "dramatiq", "redis", "taskiq", "taskiq-redis"),
    "dask": ("dask[distributed]",),
    "prefect": ("prefect",),
    "agents": ("pydantic-ai-slim", "openai-agents", "langgraph"),
}
#: Module of ``libraries`` -> its environment, in the order of the table.
LIBRARIES: Final = {
    "executors": "standard",
    "apscheduler": "queues",
    "arq": "queues",
    "celery": "brokers",
    "dask": "dask",
    "django_tasks": "queues",
    "dramatiq": "brokers",
    "huey": "queues",
    "langgraph": "agents",
    "openai_agents": "agents",
    "prefect": "prefect",
    "pydantic_ai": "agents",
    "rq": "queues",
    "taskiq": "brokers",
}
#: Module of ``libraries`` -> the server that it needs, which comes from the distribution.
SERVERS: Final = dict.fromkeys(("arq", "celery", "dramatiq", "rq", "taskiq"), "redis-server")
