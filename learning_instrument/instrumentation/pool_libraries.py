"""The libraries whose pools people record: what each is called by ``pip install``, and the module that it brings."""

from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from .adapters import MODULES

#: Name of the distribution -> its module. Those that come with other packages and run no tasks of an application's own
#: (anyio, billiard, loky) are not among them.
POOL_LIBRARIES: Final = {
    "agent-framework-core": "agent_framework",
    "aiomultiprocess": "aiomultiprocess",
    "apache-airflow": "airflow",
    "apscheduler": "apscheduler",
    "arq": "arq",
    "autogen-agentchat": "autogen_agentchat",
    "celery": "celery",
    "claude-agent-sdk": "claude_agent_sdk",
    "crewai": "crewai",
    "dask": "dask",
    "distributed": "distributed",
    "django-q2": "django_q",
    "django-tasks": "django_tasks",
    "dramatiq": "dramatiq",
    "dspy": "dspy",
    "google-adk": "google.adk",
    "huey": "huey",
    "joblib": "joblib",
    "langgraph": "langgraph",
    "llama-index-core": "llama_index.core",
    "luigi": "luigi",
    "mahavishnu": "mahavishnu",
    "mpire": "mpire",
    "openai-agents": "agents",
    "pebble": "pebble",
    "prefect": "prefect",
    "procrastinate": "procrastinate",
    "pydantic-ai-slim": "pydantic_ai",
    "ray": "ray",
    "rq": "rq",
    "smolagents": "smolagents",
    "strands-agents": "strands",
    "taskiq": "taskiq",
    "temporalio": "temporalio",
}
#: Those that an adapter of another name covers.
_ADAPTERS: Final = {
    "distributed": "dask",
    "llama-index-core": "llama-index-workflows",
    "pydantic-ai-slim": "pydantic-ai",
}


def adapters_by_library() -> dict[str, str]:
    """Return the libraries that an adapter covers, each with the name of that. No adapter is imported."""
    named = {name: _ADAPTERS.get(name, name) for name in POOL_LIBRARIES}
    return {name: adapter for name, adapter in named.items() if adapter in MODULES}


def imported_libraries(modules: Collection[str]) -> Iterator[str]:
    """Yield the names of those libraries that are among the imported *modules*."""
    return (name for name, module in POOL_LIBRARIES.items() if module in modules)


def installed_libraries() -> Iterator[str]:
    """Yield the names of those that are installed in this environment; none is imported."""
    for name in POOL_LIBRARIES:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        yield name
