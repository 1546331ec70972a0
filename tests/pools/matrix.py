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
    "adk": ("google-adk",),
    "agents": ("pydantic-ai-slim", "openai-agents", "langgraph"),
    "crewai": ("crewai",),
    "strands": ("strands-agents",),
}
#: Module of ``libraries`` -> its environment, in the order of the table.
LIBRARIES: Final = {
    "executors": "standard",
    "apscheduler": "queues",
    "arq": "queues",
    "celery": "brokers",
    "crewai": "crewai",
    "dask": "dask",
    "django_tasks": "queues",
    "dramatiq": "brokers",
    "google_adk": "adk",
    "huey": "queues",
    "langgraph": "agents",
    "openai_agents": "agents",
    "prefect": "prefect",
    "pydantic_ai": "agents",
    "rq": "queues",
    "strands_agents": "strands",
    "taskiq": "brokers",
}
#: Module of ``libraries`` -> the server that it needs, which comes from the distribution.
SERVERS: Final = dict.fromkeys(("arq", "celery", "dramatiq", "rq", "taskiq"), "redis-server")
