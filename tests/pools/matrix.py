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
    "agents": (
        "pydantic-ai-slim",
        "openai-agents",
        "langgraph",
        "strands-agents>=1.60",
        "smolagents",
        "llama-index-workflows",
        "dspy",
        "autogen-agentchat",
        "claude-agent-sdk",
        "temporalio",
    ),
    "adk-crewai": ("google-adk>=2", "crewai>=1.15"),
    "executors": ("anyio", "billiard", "fastapi", "gevent", "httpx", "joblib", "mpire", "pebble", "starlette", "trio"),
}
#: Module of ``libraries`` -> its environment, in the order of the table.
LIBRARIES: Final = {
    "executors": "standard",
    "anyio": "executors",
    "apscheduler": "queues",
    "arq": "queues",
    "autogen": "agents",
    "billiard": "executors",
    "celery": "brokers",
    "claude_agent_sdk": "agents",
    "crewai": "adk-crewai",
    "dask": "dask",
    "django_tasks": "queues",
    "dramatiq": "brokers",
    "dspy": "agents",
    "gevent": "executors",
    "google_adk": "adk-crewai",
    "huey": "queues",
    "joblib": "executors",
    "langgraph": "agents",
    "llama_index_workflows": "agents",
    "mpire": "executors",
    "openai_agents": "agents",
    "pebble": "executors",
    "prefect": "prefect",
    "pydantic_ai": "agents",
    "rq": "queues",
    "smolagents": "agents",
    "starlette": "executors",
    "strands_agents": "agents",
    "taskiq": "brokers",
    "temporalio": "agents",
    "trio": "executors",
}
#: Module of ``libraries`` -> the server that it needs, which comes from the distribution.
SERVERS: Final = dict.fromkeys(("arq", "celery", "dramatiq", "rq", "taskiq"), "redis-server")
